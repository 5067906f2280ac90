# SPDX-License-Identifier: Apache-2.0
"""What the lints share: which files are ours, and C source without its comments and strings."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(*patterns):
    """Files that git tracks or would track, relative to the root."""
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    out = subprocess.run(command + list(patterns), stdout=subprocess.PIPE, check=True).stdout.decode()
    return sorted(f for f in set(out.split("\0")) if f and os.path.isfile(os.path.join(ROOT, f)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as f:
        return f.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """Comments become blanks, strings and characters become empty ones; lines keep their numbers."""

    def blank(match):
        token = match.group(0)
        newlines = "\n" * token.count("\n")
        if token[0] == '"':
            return '""' + newlines
        if token[0] == "'":
            return "0" + newlines
        return " " + newlines

    return TOKEN.sub(blank, text)


def finish(problems):
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
