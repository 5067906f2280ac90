#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Making a container's spec: flags and image configuration to the text of config.json (bench/spec_loop.c).

A command makes one spec, so the first one of a process is what counts, with cold caches and an allocator that has to ask for memory;
the others in the same process show what the work itself takes.
"""
import os
import tempfile

import common

CASES = [("plain", "no flags"), ("seccomp", "--seccomp"), ("everything", "--seccomp and 20 more")]


def loop(program, case, rootfs, count):
    return [float(line) / 1e3 for line in common.quiet([program, case, rootfs, str(count)]).split()]


def main():
    args = common.arguments(__doc__)
    rounds = args.rounds or 200
    common.quiet(["ninja", "-C", args.build, "bench/spec-loop"])
    program = os.path.join(args.build, "bench", "spec-loop")
    first, again = {case: [] for case, _ in CASES}, {}
    with tempfile.TemporaryDirectory() as rootfs:
        os.mkdir(os.path.join(rootfs, "etc"))
        for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
            with open(os.path.join(rootfs, "etc", name), "w", encoding="utf-8") as f:
                f.write(text)
        for _ in range(rounds):
            for case, _ in CASES:
                first[case] += loop(program, case, rootfs, 1)
        for case, _ in CASES:
            again[case] = loop(program, case, rootfs, 10 * rounds)[1:]
    common.report(args, "spec", "Making a spec",
                  [(f"coracle, first of a process, {label}", common.summary(first[case]), " ms", 3) for case, label in CASES] +
                  [(f"coracle, the next ones, {label}", common.summary(again[case]), " ms", 3) for case, label in CASES],
                  [(f"first of a process, {label} / 1 ms", common.summary(first[case]), 1.0) for case, label in CASES])


main()
