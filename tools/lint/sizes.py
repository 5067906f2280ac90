#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""File and function sizes. Files over 800 lines and functions over 100 fail; files over 600 are named (stderr)."""
import re
import sys

import lintlib

FILE_WARN, FILE_FAIL, FUNCTION_FAIL = 600, 800, 100
NAME = re.compile(r"(\w+)\s*\(")


def functions(text):
    """(name, first line, lines) of each function: '{' and '}' alone in column 0, as clang-format keeps them."""
    lines = lintlib.code_only(text).split("\n")
    start, name = None, "?"
    for number, line in enumerate(lines, 1):
        if start is None and line.rstrip() == "{":
            start, name = number, "?"
            for above in range(number - 2, max(-1, number - 14), -1):
                match = NAME.search(lines[above])
                if match and lines[above][:1] not in ("\t", " ", "", "#"):
                    name = match.group(1)
                    break
        elif start is not None and line.rstrip() == "}":
            yield name, start, number - start - 1
            start = None


problems = []
for f in lintlib.files("*.c", "*.h"):
    text = lintlib.read(f)
    count = text.count("\n")
    if count > FILE_FAIL:
        problems.append(f"{f}: {count} lines; the limit is {FILE_FAIL}")
    elif count > FILE_WARN:
        print(f"note: {f}: {count} lines, over {FILE_WARN}", file=sys.stderr)
    for name, line, length in functions(text):
        if length > FUNCTION_FAIL:
            problems.append(f"{f}:{line}: function {name} has {length} lines; the limit is {FUNCTION_FAIL}")
lintlib.finish(problems)
