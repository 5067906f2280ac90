#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that may not appear: unsafe ones anywhere, those that take a path string outside src/base."""
import re

import lintlib

EVERYWHERE = ["sprintf", "vsprintf", "strcpy", "strcat", "stpcpy", "atoi", "atol", "atoll", "atof", "strtok", "gets",
              "system", "popen", "tmpnam", "tempnam", "mktemp", "alloca"]
BY_PATH = ["open", "open64", "creat", "fopen", "chmod", "chown", "lchown", "mkdir", "mount", "umount", "umount2", "rename",
           "unlink", "rmdir", "mknod", "mkfifo", "symlink", "link", "truncate", "utimes"]


def pattern(names):
    # Not a member (x.open, x->mount), not part of a longer name; a declaration of a function pointer has no '(' after it.
    return re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")


ANYWHERE, PATHS = pattern(EVERYWHERE), pattern(BY_PATH)
problems = []
for f in lintlib.files("*.c", "*.h"):
    code = lintlib.code_only(lintlib.read(f))
    searches = [(ANYWHERE, "banned everywhere")]
    if f.startswith("src/") and not f.startswith("src/base/"):
        searches.append((PATHS, "takes a path string: use base/path.h, base/fd.h or the …at() call on a descriptor"))
    for regex, why in searches:
        for match in regex.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            problems.append(f"{f}:{line}: {match.group(1)}(): {why}")
lintlib.finish(problems)
