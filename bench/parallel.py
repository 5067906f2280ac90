#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""40 containers at once, until the last has ended: coracle with crun, crun alone, ctr through containerd with crun."""
import common

AT_ONCE = 40


def main():
    args = common.arguments(__doc__)
    rounds = args.rounds or 9
    with common.Bench(args.build) as bench:
        ways = bench.commands()
        times = {name: [] for name in ways}
        for n in range(-1, rounds):
            for name, way in ways.items():
                took = common.timed_at_once([way(f"p{n + 1}-{i}") for i in range(AT_ONCE)])
                if n >= 0:
                    times[name].append(took)
    common.report(args, "parallel", f"{AT_ONCE} containers at once", [
        ("coracle run --rm (crun)", common.summary(times["coracle"]), " s", 3),
        ("crun run, bare bundles", common.summary(times["crun"]), " s", 3),
        ("ctr run --rm (containerd, crun)", common.summary(times["ctr"]), " s", 3),
    ], [
        ("coracle / crun", common.ratio(times["coracle"], times["crun"]), 2.5),
    ])


main()
