#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of an idle monitor, one per container: coracle-shim (with its guard, a second process) and containerd-shim-runc-v2, from
/proc/PID/smaps_rollup."""
import time

import common


def rollup(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        values = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
    return values["Private_Dirty"] + values["Private_Clean"], values["Pss"]


def with_guard(pid):
    children = common.quiet(["pgrep", "-P", str(pid), "-x", "coracle-guard"]).split()
    return tuple(sum(values) for values in zip(rollup(pid), *(rollup(child) for child in children)))


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def pids(output):
    return [int(line.split()[1]) for line in output.split("\n")[1:] if line.strip()]


def main():
    args = common.arguments(__doc__)
    count = args.rounds or 7
    with common.Bench(args.build) as bench:
        for n in range(count):
            bench.run_coracle("run", "-d", "--runc-binary", bench.crun, common.IMAGE, f"m{n}", "/bin/sleep", "1000")
            common.quiet(bench.ctr("run", "-d", "--runc-binary", bench.crun, common.IMAGE, f"m{n}", "/bin/sleep", "1000"))
        time.sleep(2)
        ours = [with_guard(parent_of(pid)) for pid in pids(bench.run_coracle("tasks", "list"))]
        shims = {parent_of(pid) for pid in pids(bench.ctr_out("tasks", "list"))}
        theirs = [rollup(pid) for pid in shims]
        assert len(ours) == count and theirs, (ours, theirs)
        print(f"{len(ours)} coracle-shim, {len(theirs)} containerd-shim-runc-v2")
    ours_private, ours_pss = [p for p, _ in ours], [p for _, p in ours]
    limit_private = common.summary([p / 300 for p in ours_private])
    limit_pss = common.summary([p / 500 for p in ours_pss])
    theirs_private = common.summary([p for p, _ in theirs])
    common.report(args, "memory", "Memory of an idle monitor", [
        ("coracle-shim, private", common.summary(ours_private), " KiB", 0),
        ("coracle-shim, PSS", common.summary(ours_pss), " KiB", 0),
        ("containerd-shim-runc-v2, private", theirs_private, " KiB", 0),
        ("containerd-shim-runc-v2, PSS", common.summary([p for _, p in theirs]), " KiB", 0),
    ], [
        ("private / 300 KiB", limit_private, 1.0),
        ("PSS / 500 KiB", limit_pss, 1.0),
        ("private, coracle / containerd's shim", common.summary([p / theirs_private["median"] for p in ours_private]), 0.2),
    ])


main()
