#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small things about text: the SPDX line comes first, no trailing blanks, no path of one person's machine."""
import re

import lintlib

SPDX = "SPDX-License-Identifier: Apache-2.0"
SOURCES = ("*.c", "*.h", "*.py", "*.sh", "*.bash", "*.bats", "*.proto", "*.map", "Makefile", ".ci/run", "tools/*",
           "tests/run", "bench/*")
NO_SPDX = re.compile(r"\.(md|svg|json|txt|tar|1)$|tests/fuzz/corpus/|meson_options.txt$|\.in$")
MACHINE = re.compile(r"/work/(main|shared)|/home/[a-z]+/|/tmp/(build-|b/)|deb\.debian\.org")
BINARY = re.compile(r"tests/fuzz/corpus/|\.(tar|gz|zst|png|svg)$")

problems = []
for f in lintlib.files(*SOURCES):
    if not NO_SPDX.search(f) and SPDX not in "\n".join(lintlib.read(f).split("\n")[:2]):
        problems.append(f"{f}: no '{SPDX}' in its first two lines")
for f in lintlib.files():
    if BINARY.search(f) or f == "tools/lint/text.py":
        continue
    for number, line in enumerate(lintlib.read(f).split("\n"), 1):
        if line != line.rstrip() and not f.endswith((".md", "LICENSE")):
            problems.append(f"{f}:{number}: trailing blank")
        if MACHINE.search(line):
            problems.append(f"{f}:{number}: path or host of one machine: {line.strip()[:80]}")
lintlib.finish(problems)
