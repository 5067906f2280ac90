#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format agrees (version 14, which Debian 12 has: other versions differ in small things)."""
import os
import shutil
import subprocess
import sys

import lintlib

tool = shutil.which("clang-format-14") or "clang-format"
names = lintlib.files("src/*.c", "src/*.h", "include/*.h", "tests/*.c", "tests/*.h")
done = subprocess.run([tool, "--dry-run", "-Werror"] + names, cwd=lintlib.ROOT, stderr=subprocess.PIPE, check=False) if names else None
if done and done.returncode != 0:
    lines = done.stderr.decode(errors="replace").split("\n")
    bad = sorted({line.split(":")[0] for line in lines if "error:" in line})
    print("not as clang-format would have it (make format):", *bad)
    print("\n".join(lines[:12]))
    sys.exit(1)
