#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A warm `run --rm IMAGE ID /bin/true`: coracle with crun, crun alone on the equivalent bare bundle, ctr through containerd with crun.

Two ways. Back to back: ten runs of a peer in a row (the blocks of the peers take turns), each right after the other. On its own: a
pause before each run. They differ for a reason that is the kernel's: moving a process into a control group waits for an RCU grace
period (some 10 ms here) unless the last such move was just before, and `crun run` in a loop always comes in time, alone.
"""
import time

import common

BLOCK, PAUSE = 10, 0.06


def back_to_back(ways, blocks):
    times = {name: [] for name in ways}
    for n in range(-1, blocks):
        for name, way in ways.items():
            time.sleep(0.3)  # what the last block left to do is not this one's
            way_times = [common.timed(*way(f"seq{i}")) for i in range(BLOCK)]
            if n >= 0:
                times[name] += way_times
    return times


def on_its_own(ways, rounds):
    times, names = {name: [] for name in ways}, list(ways)
    for n in range(rounds):
        for name in names[n % 3:] + names[:n % 3]:
            time.sleep(PAUSE)
            times[name].append(common.timed(*ways[name](f"seq{n}")))
    return times


def main():
    args = common.arguments(__doc__)
    rounds = args.rounds or 60
    with common.Bench(args.build) as bench:
        ways = bench.commands()
        row, alone = back_to_back(ways, rounds // BLOCK), on_its_own(ways, rounds)

    def rows(times, how):
        return [(f"{label}, {how}", common.summary([t * 1e3 for t in times[name]]), " ms", 1)
                for label, name in (("coracle run --rm", "coracle"), ("crun run", "crun"), ("ctr run --rm", "ctr"))]

    common.report(args, "start", "Start to end of a container that runs /bin/true (all with crun)",
                  rows(row, "back to back") + rows(alone, "on its own"), [
                      ("coracle / crun, back to back", common.ratio(row["coracle"], row["crun"]), 2.0),
                      ("coracle / ctr, back to back", common.ratio(row["coracle"], row["ctr"]), 0.2),
                      ("coracle / crun, on its own", common.ratio(alone["coracle"], alone["crun"]), 2.0),
                      ("coracle / ctr, on its own", common.ratio(alone["coracle"], alone["ctr"]), 0.2),
                  ])


main()
