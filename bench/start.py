#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A warm `run --rm IMAGE ID /bin/true`: coracle with crun, crun alone on the equivalent bare bundle, ctr through containerd with crun."""
import common


def main():
    args = common.arguments(__doc__)
    rounds = args.rounds or 60
    with common.Bench(args.build) as bench:
        ways = bench.commands()
        times = {name: [] for name in ways}
        for n in range(-5, rounds):
            for name, way in ways.items():
                took = common.timed(*way(f"seq{n + 5}"))
                if n >= 0:
                    times[name].append(took)
    common.report(args, "start", "Start to end of a container that runs /bin/true", [
        ("coracle run --rm (crun)", common.summary([t * 1e3 for t in times["coracle"]]), " ms", 1),
        ("crun run, bare bundle", common.summary([t * 1e3 for t in times["crun"]]), " ms", 1),
        ("ctr run --rm (containerd, crun)", common.summary([t * 1e3 for t in times["ctr"]]), " ms", 1),
    ], [
        ("coracle / crun", common.ratio(times["coracle"], times["crun"]), 2.0),
        ("coracle / ctr", common.ratio(times["coracle"], times["ctr"]), 0.2),
    ])


main()
