#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where, and that a stranger can use it: the programs, the library with its pkg-config file, the manual
# and the completions.

load lib
setup_file() {
	rig_up
	DEST=$BATS_FILE_TMPDIR/dest
	meson install -C "${CORACLE_BUILD:-$TOP/build/gcc}" --no-rebuild --destdir "$DEST" >/dev/null
	PREFIX=$(dirname "$(dirname "$(find "$DEST" -path '*/bin/coracle')")")
	export DEST PREFIX
}
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

@test "the installed program finds its shim, and answers to the name ctr" {
	[ -x "$PREFIX/libexec/coracle/coracle-shim" ]
	# Not below its final prefix here: the shim is found on the PATH.
	run env PATH="$PREFIX/libexec/coracle:/usr/sbin:/usr/bin:/sbin:/bin" "$PREFIX/bin/coracle" run --rm busybox "$id" probe exit 6
	assert_equal "$status" 6
	ln -s "$PREFIX/bin/coracle" "$BATS_TEST_TMPDIR/ctr"
	run --separate-stderr "$BATS_TEST_TMPDIR/ctr" containers info "$id-none"
	[[ $stderr == "ctr: "* ]] || fail "$stderr"
}

@test "a C program against libcoracle, by pkg-config" {
	[ -z "${CORACLE_SANITIZED:-}" ] || skip "the library was built with AddressSanitizer, which has to be in the program as well"
	cat >"$BATS_TEST_TMPDIR/user.c" <<'END'
#include <coracle/coracle.h>
#include <stdio.h>
static int show(const char *name, const char *digest, void *data)
{
	(void)digest;
	(void)data;
	puts(name);
	return 0;
}
int main(int argc, char **argv)
{
	struct cor_error err = { 0 };
	struct cor_client_options options = { .size = sizeof(options), .root = argv[1], .state = argv[2], .ns = argv[3] };
	struct cor_client *client = NULL;
	if (argc < 4 || cor_client_open(&options, &client, &err) < 0 || cor_client_images(client, show, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	cor_client_free(client);
	return 0;
}
END
	pc=$(find "$DEST" -name libcoracle.pc)
	flags=$(PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$DEST pkg-config --cflags --libs libcoracle)
	# shellcheck disable=SC2086
	cc -std=c99 -pedantic -Wall -Wextra -Werror -o "$BATS_TEST_TMPDIR/user" "$BATS_TEST_TMPDIR/user.c" $flags
	run env LD_LIBRARY_PATH="$(dirname "$(find "$DEST" -name 'libcoracle.so')")" "$BATS_TEST_TMPDIR/user" "$CORACLE_ROOT" "$CORACLE_STATE" "$NS"
	assert_equal "$status" 0
	assert_equal "$output" busybox
}

@test "the manual names every command and flag that the help knows" {
	man=$(find "$DEST" -name coracle.1)
	for noun in images containers tasks content snapshots namespaces leases run logs gc; do
		grep -q "$noun" "$man" || fail "no $noun" || return
		while read -r flag; do
			grep -qF -- "${flag//-/\\-}" "$man" || grep -qF -- "$flag" "$man" || fail "no $flag of $noun" || return
		done < <(coracle $noun --help | grep -oE -- '--[a-z-]+' | sort -u)
	done
}

@test "the completions are valid, and offer commands and flags" {
	bash -n "$(find "$DEST" -path '*bash-completion*' -type f)"
	run bash -c "
		source $(find "$DEST" -path '*bash-completion*' -type f)
		COMP_WORDS=(coracle ima) COMP_CWORD=1 COMP_LINE='coracle ima' COMP_POINT=11
		\$(complete -p coracle | sed -E 's/.*-F ([^ ]+).*/\1/') coracle ima coracle
		printf '%s\n' \"\${COMPREPLY[@]}\""
	[[ $output == *images* ]] || fail "$output"
	head -n 1 "$(find "$DEST" -name _coracle)" | grep -q '#compdef'
}
