#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start time with 5,000 containers and 1,000 images recorded, against a store with ten of each."""
import concurrent.futures
import os

import common

MANY_CONTAINERS, MANY_IMAGES, FEW = 5000, 1000, 10


def fill(bench, env, containers, images):
    def call(command):
        common.quiet([bench.coracle] + command, env=env)

    call(["images", "import", "--rootfs", bench.path("rootfs"), common.IMAGE])
    jobs = [["images", "tag", common.IMAGE, f"registry.test/image-{n}:latest"] for n in range(images)]
    jobs += [["containers", "create", common.IMAGE, f"recorded-{n}", "/bin/true"] for n in range(containers)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(call, jobs))


def main():
    args = common.arguments(__doc__)
    rounds = args.rounds or 60
    with common.Bench(args.build, containerd=False) as bench:
        stores = {}
        for name, containers, images in (("few", FEW, FEW), ("many", MANY_CONTAINERS, MANY_IMAGES)):
            stores[name] = dict(bench.env, CORACLE_ROOT=bench.path(name), CORACLE_STATE=bench.path(name + "-state"))
            fill(bench, stores[name], containers, images)
            recorded = len(common.quiet([bench.coracle, "containers", "list", "-q"], env=stores[name]).split())
            assert recorded == containers, recorded
        times = {"few": [], "many": []}
        for n in range(-5, rounds):
            for name, env in stores.items():
                took = common.timed([bench.coracle, "run", "--rm", "--runc-binary", bench.crun, common.IMAGE, f"s{n + 5}", "/bin/true"], env)
                if n >= 0:
                    times[name].append(took)
    common.report(args, "scale", "Start time by what is recorded", [
        (f"{FEW} containers, {FEW} images", common.summary([t * 1e3 for t in times["few"]]), " ms", 1),
        (f"{MANY_CONTAINERS} containers, {MANY_IMAGES} images", common.summary([t * 1e3 for t in times["many"]]), " ms", 1),
    ], [
        ("many / few", common.ratio(times["many"], times["few"]), 1.2),
    ])


main()
