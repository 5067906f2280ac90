#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same command lines with ctr on a real containerd and with coracle, compared. Prints TAP; 0 when nothing differs.

    tests/compat/cases.py [--filter RE] [--jobs N] [--root CHROOT] [--keep]
    tests/compat/cases.py --list          the cases
    tests/compat/cases.py --doc           doc/ctr-differences.md, from the list in deliberate.py

The cases are the lines of tests/compat/cases/*.txt, each file with columns of its own (its first lines say which). In every
column $W is the directory with the files that cases use (world.py), $ID the container's name ($REAL: of a real one), $NS the namespace. The last
column names deliberate differences (deliberate.py).
"""
import argparse
import concurrent.futures
import contextlib
import copy
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time

import compare
import deliberate
from world import HERE, TOP, USERS, World

PRINT = threading.Lock()


class Case:
    """One line of a table."""

    def __init__(self, mode, number, columns):
        self.mode, self.number, self.columns = mode, number, columns
        self.title = f"{mode}: " + " | ".join(c for c in columns[:-1] if c)
        self.differences = columns[-1].split()

    def __getitem__(self, index):
        return self.columns[index]


# By the name of the file: how many columns, and what kind of container (runtime.c).
MODES = {"spec": (4, "s"), "create": (4, "s"), "view": (4, "r"), "commands": (2, "p"), "real": (2, "r"), "errors": (3, "p"), "newer": (7, "s")}


def read_cases():
    cases = []
    for path in sorted(glob.glob(os.path.join(HERE, "cases", "*.txt"))):
        mode = os.path.basename(path)[:-4]
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                columns = [c.strip().replace("\\x7c", "|") for c in re.split(r"(?:^|(?<=\s))\|(?=\s|$)", line)]
                if len(columns) != MODES[mode][0]:
                    sys.exit(f"{path}:{number}: {len(columns)} columns instead of {MODES[mode][0]}")
                cases.append(Case(mode, number, columns))
    return cases


class Runner:
    def __init__(self, world, version):
        self.world, self.version, self.used, self.remapping = world, version, set(), threading.Lock()

    def fill(self, text, container):
        return text.replace("$W", self.world.files).replace("$ID", container).replace("$NS", self.world.namespace).replace("$REAL", "r" + container[1:]).replace("$NL", "\n")

    def words(self, text, container):
        return shlex.split(self.fill(text, container))

    def call(self, side, words):
        done = side.call(words, cwd=self.world.files)
        return {**done, "err": compare.message(done["err"], self.world.work)}

    def clean(self, side, container, failed):
        """After a case: no task, container or snapshot stays. ctr leaves some behind when a run fails."""
        if failed or container[0] == "p":
            side.call(["tasks", "rm", "-f", container])
        side.call(["containers", "rm", container])
        if failed and side is self.world.theirs:
            side.call(["snapshots", "rm", container])

    def container(self, side, verb, columns, container):
        """Makes one; what it is then."""
        flags, image, args = (self.words(c, container) for c in columns)
        done = self.call(side, verb + flags + image + [container] + args)
        result = {"code": done["code"], "err": done["err"], "out": done["out"]}
        failed = done["code"] != 0 or "-d" in flags
        info = side.call(["containers", "info", container])
        if info["code"] == 0 and not (failed and done["code"] != 0):
            result["record"], result["spec"] = compare.record(info["out"])
            if result["record"].get("SnapshotKey"):
                snapshotter = ["--snapshotter", result["record"]["Snapshotter"]]
                snap = side.call(["snapshots"] + snapshotter + ["info", result["record"]["SnapshotKey"]])
                result["snapshot"] = compare.snapshot(snap["out"]) if snap["code"] == 0 else snap["err"]
        if verb[0] == "run":
            result["runtime"] = compare.runtime_calls(self.world.runtime_log, container)
        self.clean(side, container, failed)
        return result

    def view(self, side, case, container):
        flags, image, args = (self.words(c, container) for c in case.columns[:3])
        done = self.call(side, ["run", "--rm"] + flags + image + [container] + (args or ["/bin/probe"]))
        result = {"code": done["code"], "err": done["err"]}
        try:
            result["view"] = compare.view(done["out"], self.world.work)
        except ValueError:
            result["out"] = done["out"]
        if done["code"]:
            self.clean(side, container, True)
        return result

    def steps(self, side, text, container):
        """A line of commands, one after the other, whatever each says."""
        result = []
        for part in text.split(" ; "):
            if part.startswith("@"):
                self.wait_for(side, container, part[1:])
                continue
            done = self.call(side, self.words(part, container))
            done["out"] = compare.output(done["out"])
            result.append({"command": part, **done})
        self.clean(side, container, True)
        if "$REAL" in text:
            self.clean(side, "r" + container[1:], True)
        return result

    @staticmethod
    def wait_for(side, container, status):
        """@STATUS as a step: until the task is in it."""
        for _ in range(200):
            for line in side.call(["tasks", "list"])["out"].splitlines():
                if line.split()[0] in (container, "r" + container[1:]) and line.split()[-1] == status:
                    return
            time.sleep(0.02)

    # ---- comparing ---------------------------------------------------------------------------------------------------

    def adjust(self, case, theirs, ours):
        """Applies the deliberate differences; complaints about those that change nothing."""
        complaints = []
        for one in deliberate.DIFFERENCES:
            named = one.name in case.differences
            if not (one.always or named) or not one.applies(self.version):
                continue
            before = json.dumps([theirs, ours], sort_keys=True, default=str)
            one.apply(theirs, ours, case)
            if json.dumps([theirs, ours], sort_keys=True, default=str) != before:
                self.used.add(one.name)
            elif named:
                complaints.append(f"the difference {one.name!r} is not there")
        return complaints

    def compare(self, case, theirs, ours):
        complaints = self.adjust(case, theirs, ours)
        return complaints + self.lines_of(theirs, ours)

    @staticmethod
    def lines_of(theirs, ours):
        said = theirs.get("err")
        if theirs.get("code") != ours.get("code"):  # the rest follows from that
            theirs, ours = ({key: side[key] for key in ("code", "err")} for side in (theirs, ours))
        lines = compare.difference(theirs, ours)
        return lines + ([f"ctr said: {said}"] if lines and said else [])

    def same_container(self, case, container):
        verb = ["run"] if case.mode == "spec" else ["containers", "create"]
        theirs = self.container(self.world.theirs, verb, case.columns[:3], container)
        ours = self.container(self.world.ours, verb, case.columns[:3], container)
        return self.compare(case, theirs, ours)

    def same_view(self, case, container):
        return self.compare(case, self.view(self.world.theirs, case, container), self.view(self.world.ours, case, container))

    def same_commands(self, case, container):
        theirs = {"steps": self.steps(self.world.theirs, case[0], container)}
        ours = {"steps": self.steps(self.world.ours, case[0], container)}
        return self.compare(case, theirs, ours)

    def same_error(self, case, container):
        """The last step says exactly this text, with ctr too unless the case names a difference."""
        theirs, ours = self.steps(self.world.theirs, case[1], container), self.steps(self.world.ours, case[1], container)
        complaints = self.compare(case, {"steps": copy.deepcopy(theirs)}, {"steps": copy.deepcopy(ours)})
        text = f"ctr: {self.fill(case[0], container)}\n"
        for name, last in (("coracle", ours[-1]), ("ctr", theirs[-1])):
            said = re.sub("sha256:[0-9a-f]{64}", "sha256:…", last["err"])
            # ctr's log may say it as well, and runc in the foreground.
            if (not re.fullmatch(r"((time=|runc run failed: ).*\n)?" + re.escape(text), said) or last["code"] == 0) and not (
                    name == "ctr" and case.differences):
                complaints.append(f"{name} said ({last['code']}): {said!r}")
        return complaints

    def newer(self, case, container):
        """Flags that the packaged ctr lacks: as without them, changed by the jq program; or an error. A newer ctr has them."""
        verb, both, flags, image, args, change = case.columns[:6]
        verb = ["containers", "create"] if verb == "create" else [verb]
        ours = self.container(self.world.ours, verb, [f"{both} {flags}", image, args], container)
        known = self.version >= "2"
        if known:
            theirs = self.container(self.world.theirs, verb, [f"{both} {flags}", image, args], container)
            known = "flag provided but not defined" not in theirs["err"]
        if known:
            change = ""
        elif change.startswith("error: "):
            theirs = {"code": 1, "err": f"ctr: {self.fill(change[7:], container)}\n"}
            ours = {"code": ours["code"], "err": ours["err"]}
        else:
            theirs = self.container(self.world.theirs, verb, [both, image, args], container)
        complaints = self.adjust(case, theirs, ours)
        if change and theirs["code"] == 0:
            program = self.fill(change, container)
            done = subprocess.run(["jq", "--argjson", "ours", json.dumps(ours), program], input=json.dumps(theirs), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                return [f"jq: {done.stdout}"]
            if json.loads(done.stdout) == theirs:
                complaints.append("the jq program changes nothing")
            theirs = json.loads(done.stdout)
        return complaints + self.lines_of(theirs, ours)

    def run(self, case, index):
        function = {"spec": self.same_container, "create": self.same_container, "view": self.same_view, "commands": self.same_commands,
                    "real": self.same_commands, "errors": self.same_error, "newer": self.newer}
        # ctr fails when two of it remap the same image at once.
        with self.remapping if "--uidmap" in case.title else contextlib.nullcontext():
            return function[case.mode](case, f"{MODES[case.mode][1]}{index}")


def left_behind(world, baseline):
    """Our side after all cases: what was not there before."""
    return [f"left behind: {line}" for line in inventory(world) if line not in baseline]


def inventory(world):
    found = []
    for noun in ("containers", "snapshots", "tasks", "leases"):
        found += [f"{noun}: {line}" for line in world.ours.ok(noun, "list").splitlines()[1:] if " Committed" not in line]
    state = f"{world.work}/run/{world.namespace}"
    found += [f"state: {name}" for name in (os.listdir(state) if os.path.isdir(state) else [])]
    return found


class Tap:
    """Results as they come, under one running number."""

    def __init__(self, plan):
        self.count, self.failed = 0, 0
        print(f"1..{plan}", flush=True)

    def add(self, title, complaints):
        with PRINT:
            self.count += 1
            self.failed += bool(complaints)
            print(f"{'not ok' if complaints else 'ok'} {self.count} {title}")
            for line in complaints[:60]:
                for part in str(line).splitlines():
                    print(f"#   {part}")
            sys.stdout.flush()


def unused(runner, cases):
    named = {name for case in cases for name in case.differences}
    known = {one.name: one for one in deliberate.DIFFERENCES}
    out = [f"no such difference: {name}" for name in sorted(named - set(known))]
    for one in deliberate.DIFFERENCES:
        if one.applies(runner.version) and one.name not in runner.used and not (runner.world.chroot and one.real):
            out.append(f"the difference {one.name!r} is never seen: take it out of deliberate.py")
    return out


def document_is_true():
    with open(os.path.join(TOP, "doc", "ctr-differences.md"), encoding="utf-8") as f:
        return [] if f.read() == deliberate.document() else ["doc/ctr-differences.md is not what tests/compat/cases.py --doc prints"]


def all_cases(runner, cases, jobs, whole):
    tap = Tap(len(cases) + (3 if whole else 1))

    def one(numbered):
        index, case = numbered
        try:
            complaints = runner.run(case, index)
        except Exception as problem:  # one broken case must not hide the others
            complaints = [f"{type(problem).__name__}: {problem}"]
        tap.add(case.title, complaints)

    baseline = inventory(runner.world)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, enumerate(cases)))
    tap.add("coracle leaves nothing behind", left_behind(runner.world, baseline))
    if whole:
        tap.add("every deliberate difference is seen", unused(runner, cases))
        tap.add("doc/ctr-differences.md tells them all", document_is_true())
    return tap.failed


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", help="cases whose title matches this regular expression")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--root", help="a root directory in which containerd and ctr are")
    parser.add_argument("--keep", action="store_true", help="keep the directory")
    parser.add_argument("--list", action="store_true", help="print the cases' titles")
    parser.add_argument("--doc", action="store_true", help="print doc/ctr-differences.md")
    return parser.parse_args()


def main():
    deliberate.USERS_BY_IMAGE.update({f"t:u{number}": user for number, user in enumerate(USERS)})
    opts, cases = options(), read_cases()
    if opts.doc:
        print(deliberate.document(), end="")
        return 0
    if opts.root:  # another runtime is in there: the views are not to be compared
        cases = [case for case in cases if case.mode not in ("view", "real") and not any("$REAL" in c for c in case.columns)]
    if opts.filter:
        cases = [case for case in cases if re.search(opts.filter, case.title)]
    if opts.list:
        print("\n".join(case.title for case in cases))
        return 0
    work = tempfile.mkdtemp(prefix="c.", dir=os.environ.get("TMPDIR", "/tmp"))
    os.chmod(work, 0o755)
    build = os.environ.get("CORACLE_BUILD", os.path.join(TOP, "build", "gcc"))
    world = World(work, build, "ct-" + os.environ.get("CORACLE_TEST_ID", str(os.getpid())), opts.root)
    try:
        world.up()
        return 1 if all_cases(Runner(world, world.version()), cases, opts.jobs, not opts.filter) else 0
    finally:
        world.down()
        if not opts.keep:
            world.remove()
        subprocess.run(["find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*/{world.namespace}*", "-exec", "rmdir", "{}", ";"],
                       stderr=subprocess.DEVNULL, check=False)


sys.exit(main())
