# SPDX-License-Identifier: Apache-2.0
# Two commands are all a newcomer needs: `make demo` and `make check`. Both install what is missing (Debian, as root).
# The build itself is Meson's; this file only names the usual steps.

BUILD ?= build/release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

all: build

help:
	@echo "make demo     install what is missing, build, import an image and run a container, showing each step"
	@echo "make check    install what is missing, build with gcc and clang, run every test and lint"
	@echo "make build    optimised build in $(BUILD)"
	@echo "make install  build and install below $(PREFIX) (DESTDIR is honoured)"
	@echo "make compat-sid  compare with the ctr of Debian sid (make check does so with Debian's own)"
	@echo "make bench    measure against crun, ctr and containerd's shim; writes bench/RESULTS.md and the chart"
	@echo "make format   clang-format on every source file"
	@echo "make clean    remove the build directories"

deps:
	@tools/install-deps build

deps-test:
	@tools/install-deps build test

$(BUILD)/build.ninja: | deps
	meson setup $(BUILD) --buildtype=release --prefix=$(PREFIX) -Dtests=false

build: deps $(BUILD)/build.ninja
	ninja -C $(BUILD) -j $(JOBS)

install: build
	meson install -C $(BUILD) --no-rebuild

demo: build
	@tools/demo $(BUILD)

check: deps-test
	@tests/run

# The comparison with ctr once more, with the newest containerd that Debian has; in a chroot below /var/tmp, not part of `check`.
compat-sid: deps-test
	@tests/run --only build-gcc >/dev/null
	@tests/compat/sid

bench: deps-test build
	@bench/run --build $(BUILD)

format:
	git ls-files '*.c' '*.h' | xargs clang-format-14 -i

clean:
	rm -rf build

.PHONY: all help deps deps-test build install demo check compat-sid bench format clean
