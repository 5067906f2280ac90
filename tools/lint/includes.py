#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layer order of includes: the table in ARCHITECTURE.md, "Layers"."""
import re

import lintlib

ROW = {
    "base": 0,
    "oci": 1, "rpc": 1,
    "content": 2, "metadata": 2, "snapshot": 2, "layer": 2, "registry": 2, "cni": 2, "cdi": 2, "runtime": 2, "shim": 2,
    "services": 3, "engine": 3, "containerd": 3,
    "client": 4, "spec": 4,
    "cmd": 5, "server": 5, "lib": 5,
}
ROW_NAME = ["base", "formats", "parts", "services", "operations", "programs"]
PARTS = 2
# Operations are written over the service interfaces only, never over one implementation of them.
FORBIDDEN = {"client": {"engine", "containerd"}, "spec": {"engine", "containerd", "client"},
             "engine": {"containerd"}, "containerd": {"engine"}, "services": {"engine", "containerd"}}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def check(name):
    folder = name.split("/")[1]
    if folder not in ROW:
        yield f"{name}: folder src/{folder} has no row in the layer table (tools/lint/includes.py)"
        return
    text = lintlib.read(name)
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        line = text.count("\n", 0, match.start(1)) + 1
        if target.startswith("../") or "/../" in target:
            yield f"{name}:{line}: include \"{target}\": write it relative to src/"
            continue
        first, slash, _ = target.partition("/")
        if not slash or first == "coracle":
            if not slash and not target.endswith(".pb-c.h"):
                yield f"{name}:{line}: include \"{target}\": write it relative to src/"
            continue
        if first not in ROW:
            if not target.endswith(".pb-c.h"):
                yield f"{name}:{line}: include \"{target}\": no such layer"
            continue
        if ROW[first] > ROW[folder]:
            yield (f"{name}:{line}: {folder} ({ROW_NAME[ROW[folder]]}) may not include {target} "
                   f"({ROW_NAME[ROW[first]]})")
        elif ROW[first] == PARTS and ROW[folder] == PARTS and first != folder:
            yield f"{name}:{line}: parts may not include each other: {target}"
        elif first in FORBIDDEN.get(folder, ()):
            yield f"{name}:{line}: {folder} may not include {target}"


lintlib.finish([p for f in lintlib.files("src/*.c", "src/*.h") for p in check(f)])
