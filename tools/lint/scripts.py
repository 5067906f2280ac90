#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shellcheck for every shell script and bats file; Python files must compile."""
import os
import subprocess
import sys

import lintlib

failed = False
shells, bats = [], []
for f in lintlib.files():
    if f.endswith(".bats"):
        bats.append(f)
    elif f.endswith((".bash", ".sh")):
        shells.append(f)
    elif os.access(os.path.join(lintlib.ROOT, f), os.X_OK) and lintlib.read(f)[:64].split("\n")[0].endswith(("bash", "/sh")):
        shells.append(f)
    elif f.endswith(".py") or lintlib.read(f)[:64].split("\n")[0].endswith("python3"):
        try:
            compile(lintlib.read(f), f, "exec")
        except SyntaxError as error:
            print(f"{f}: {error}")
            failed = True
# SC1091: sourced files are checked by themselves. SC2030/SC2031: every bats test is a subshell on purpose.
# SC2154: bats sets output, status, lines. SC2034: variables for sourced files.
common = ["shellcheck", "-S", "warning", "-e", "SC1091,SC2030,SC2031,SC2154,SC2034"]
for group, dialect in ((shells, "bash"), (bats, "bats")):
    if group and subprocess.run(common + ["-s", dialect] + group, cwd=lintlib.ROOT, check=False).returncode != 0:
        failed = True
sys.exit(1 if failed else 0)
