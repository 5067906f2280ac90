#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each header compiles alone; public ones also as strict C99 and as C++. --build DIR: where generated headers are."""
import argparse
import concurrent.futures
import os
import subprocess
import sys

import lintlib

PACKAGES = ["jansson", "sqlite3", "libzstd", "libcrypto", "libprotobuf-c", "zlib"]


def flags(build):
    out = subprocess.run(["pkg-config", "--cflags"] + PACKAGES, stdout=subprocess.PIPE, check=True).stdout.decode().split()
    out += ["-I" + os.path.join(lintlib.ROOT, d) for d in ("include", "src")]
    if build:
        for folder, _, names in os.walk(build):
            if any(n.endswith(".pb-c.h") for n in names):
                out.append("-I" + folder)
    return out


def compile_alone(header, language, extra):
    source = f'#include "{os.path.join(lintlib.ROOT, header)}"\ntypedef int not_empty;\n'
    command = language + ["-fsyntax-only", "-Wall", "-Wextra", "-Werror"] + extra + ["-"]
    done = subprocess.run(command, input=source.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode == 0:
        return None
    return f"{header}: does not compile alone with {' '.join(language)}\n{done.stdout.decode()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=None)
    args = parser.parse_args()
    common = flags(args.build)
    generated = any(f.endswith("proto") or "pb-c" in f for f in common)
    jobs = []
    for header in lintlib.files("*.h"):
        if header.startswith("include/"):
            jobs.append((header, ["gcc", "-std=c99", "-pedantic", "-x", "c"], common[:]))
            jobs.append((header, ["g++", "-std=c++11", "-pedantic", "-x", "c++"], common[:]))
        elif ".pb-c.h" in lintlib.read(header) and not generated and not args.build:
            print(f"note: {header} needs generated headers; give --build DIR", file=sys.stderr)
        else:
            jobs.append((header, ["gcc", "-std=gnu11", "-x", "c"],
                         common + ["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-Wno-missing-field-initializers",
                                   "-Wno-unused-parameter", "-I" + os.path.join(lintlib.ROOT, os.path.dirname(header))]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: compile_alone(*job), jobs)
        lintlib.finish([r for r in results if r])


main()
