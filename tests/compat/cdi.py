#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CDI files with the ctr of Debian sid and with coracle: the same devices asked for, the specs and errors compared. Prints TAP.

`make compat-sid` runs it (tests/compat/sid), in a mount namespace of its own: /etc/cdi and /var/run/cdi are ours in here, and in the
other root directory. The packaged ctr knows nothing of CDI.
"""
import json
import os
import subprocess
import sys
import tempfile

from world import TOP, World, must

ETC, RUN = "/etc/cdi", "/run/cdi"
KIND = "ven.com/cls"  # the library that sid's ctr has panics at names of one letter

FULL = {"env": ["A=", "B=c=d", "PATH=/x"],
        "deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438,
                         "permissions": "rwm", "uid": 1, "gid": 4294967295},
                        {"path": "/dev/b", "hostPath": "/dev/zero", "permissions": "r"}, {"path": "/dev/p", "type": "p"},
                        {"path": "/dev/full"}],
        "hooks": [{"hookName": "prestart", "path": "/h", "args": ["h", ""], "env": ["X=1"], "timeout": 5},
                  {"hookName": "poststop", "path": "/h"}],
        "mounts": [{"hostPath": "/a", "containerPath": "/b/c/d/e", "type": "none", "options": ["bind"]},
                   {"hostPath": "tmpfs", "containerPath": "/b", "type": "tmpfs"},
                   {"hostPath": "/h", "containerPath": "/dev/shm", "options": ["rbind"]}],
        "intelRdt": {"closID": "c", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20"}, "additionalGids": [0, 5, 5]}
YAML = f"cdiVersion: 0.7.0\nkind: {KIND}\ndevices:\n- name: dev\n  containerEdits:\n"


def document(edits, version="0.7.0", kind=KIND, name="dev", whole=None, **more):
    text = {"cdiVersion": version, "kind": kind, "devices": [{"name": name, "containerEdits": edits}], **more}
    return json.dumps({**text, "containerEdits": whole} if whole else text)


def cases():
    """(title, files, flags, difference meant or None)"""
    def edits(title, one, flags=(), differs=None, **more):
        return (title, {f"{ETC}/v.json": document(one, **more)}, [f"--device={KIND}=dev", *flags], differs)

    def yaml(title, text, differs=None, name="dev"):
        return (title, {f"{ETC}/v.yaml": text}, [f"--device={KIND}={name}"], differs)

    def node(title, differs=None, **one):
        return edits("node: " + title, {"deviceNodes": [one]}, differs=differs)

    stricter, newer, mount = "stricter than the library", "newer than sid's library", "a bind mount where nothing is said"
    env = {"env": ["A=b"]}
    out = [
        edits("everything", FULL), edits("everything, --user", FULL, ["--user=1000", "--env=A=q", "--env=A=r"]),
        edits("everything, --privileged", FULL, ["--privileged"]), edits("everything twice", FULL, [f"--device={KIND}=dev"]),
        edits("everything, other devices", FULL, ["--device=/dev/full", "--device=/dev/zero"]),
        edits("everything, --mount", FULL, ["--mount=type=tmpfs,dst=/b,options=ro"]),
        edits("of the file, of the device", {"env": ["B=2"]}, whole={"env": ["A=1", "B=1"], "additionalGids": [4]}),
        node("type alone", path="/dev/null", type="c"), node("major alone", path="/dev/null", major=7),
        node("minor alone", path="/dev/null", minor=7), node("u", path="/dev/x", type="u", major=7),
        node("u of the host", path="/dev/null", type="u"), node("mismatch", path="/dev/null", type="b"),
        node("missing", path="/dev/nope"), node("a link", path="/dev/stdin"), node("negative", path="/dev/x", type="c", major=-1),
        node("modes", path="/dev/null", fileMode=0o104755), node("permissions twice", path="/dev/null", permissions="rrww"),
        node("bad permissions", path="/dev/null", permissions="x"), node("none", newer, path="/dev/null", permissions="none"),
        node("relative", stricter, path="null", hostPath="/dev/null"),
        edits("a bare mount", {"mounts": [{"hostPath": "/a", "containerPath": "/b", "options": ["ro"]}]}, differs=mount),
        edits("a timeout of 0", {"hooks": [{"hookName": "poststop", "path": "/a", "timeout": 0}]}, differs=stricter),
        edits("a relative hook", {"hooks": [{"hookName": "poststop", "path": "a"}]}, differs=stricter),
        edits("enableCMT", {"intelRdt": {"enableCMT": True}}), edits("empty intelRdt", {"intelRdt": {}}), edits("no edits", {}),
        edits("gid 0", {"additionalGids": [0]}), edits("env without =", {"env": ["A"]}),
        edits("an annotation that is a number", env, annotations={"a": 5}),
        edits("an annotation that is no name", env, annotations={"a/b/c": "d"}, differs=stricter),
        yaml("octal", YAML + "    deviceNodes: [{path: /dev/null, fileMode: 0640}, {path: /dev/zero, fileMode: 0o640}]\n"),
        yaml("numbers", YAML + "    additionalGids: [0x1_0, 1e+3, 1e3, 5.0, 089]\n"),
        yaml("scalars as strings", YAML + "    hooks: [{hookName: poststop, path: /h, args: [yes, 1.5, 007, ~, 0x10, 1e+30, -0.25, "
             "2001-01-01, y, on, .5, 1_0, 1.0]}]\n"),
        yaml("aliases", YAML + "    hooks: [&h {hookName: poststop, path: /h}, *h, {<<: *h, timeout: 3}]\n"),
        yaml("names without case", YAML.replace("kind", "KIND") + "    ADDITIONALGIDS: [3]\n"),
        yaml("a key twice", YAML + "    env: [A=b]\n    env: [C=d]\n"), yaml("unknown", YAML + "    envs: [A=b]\n"),
        yaml("a null in a list", YAML + "    env: [A=b, ~]\n"), yaml("a null", YAML + "    env: [A=b]\n    mounts: ~\n"),
        yaml("tags", YAML + "    env: [!!str A=b]\n    additionalGids: [!!int \"5\"]\n"),
        yaml("a number as name", YAML.replace("dev\n", "0\n", 1) + "    env: [A=b]\n", name="0"),
        yaml("a truth as name", YAML.replace("name: dev", "name: y") + "    env: [A=b]\n", name="y"),
        yaml("a real as version", YAML.replace("0.7.0", "1.0") + "    env: [A=b]\n"),
        yaml("a timeout as string", YAML + "    hooks: [{hookName: poststop, path: /h, timeout: \"3\"}]\n"),
        yaml("a byte order mark", "\ufeff" + YAML + "    env: [A=b]\n"), yaml("empty", ""), yaml("itself", "&a [*a]"), yaml("cut", "{"),
        yaml("two documents", YAML + "    env: [A=b]\n---\nx: y\n", stricter),
        yaml("two cases of a key", YAML + "    env: [A=b]\n    ENV: [C=d]\n", stricter),
        ("priority", {f"{ETC}/a.json": document({"env": ["P=etc"]}), f"{RUN}/a.json": document({"env": ["P=run"]})},
         [f"--device={KIND}=dev"], None),
        ("broken before good", {f"{ETC}/a.json": document(env), f"{RUN}/a.json": "{"}, [f"--device={KIND}=dev"], None),
        ("none there", {}, [f"--device={KIND}=dev", "--device=aa/bb=cc"], None),
        ("one there", {f"{ETC}/a.json": document(env)}, [f"--device={KIND}=dev", "--device=aa/bb=cc"], None),
        ("two files", {f"{ETC}/a.json": document({"env": ["A=1"]}, whole={"env": ["W=1"]}),
                       f"{ETC}/b.json": document({"env": ["A=2"]}, kind="web.com/cls", whole={"env": ["W=2"]})},
         ["--device=web.com/cls=dev", f"--device={KIND}=dev"], None),
        (".yml", {f"{ETC}/a.yml": document(env)}, [f"--device={KIND}=dev"], None),
    ]
    conflict = {f"{ETC}/a.json": document(env), f"{ETC}/b.json": document(env)}
    out += [(f"conflict {title}", {**conflict, **more}, [f"--device={KIND}=dev"], None)
            for title, more in (("below", {f"{RUN}/c.json": document(env)}), ("alone", {}))]
    out += [edits(f"version {v}", env, version=v, differs=newer if v == "1.1.0" else None)
            for v in ("0.1.0", "0.3.0", "0.5.0", "v0.6.0", "0.8.0", "1.0.0", "1.1.0", "1.2.0", "1.0", "")]
    for title, need, more in (("mount type", "0.4.0", {"mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "x"}]}),
                              ("hostPath", "0.5.0", {"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/null"}]}),
                              ("gids", "0.7.0", {"additionalGids": [1]}), ("rdt", "0.7.0", {"intelRdt": {}})):
        before = f"0.{int(need[2]) - 1}.0"
        out += [edits(f"{title} in {v}", more, version=v) for v in (before, need)]
    return out


def effective(env):
    """What the process gets: the last of each name."""
    return dict(one.split("=", 1) for one in env or [])


def parts(spec):
    linux, process = spec["linux"], spec["process"]
    return {"env": effective(process.get("env")), "user": process["user"], "devices": linux.get("devices"),
            "rules": linux["resources"]["devices"], "mounts": spec["mounts"], "hooks": spec.get("hooks"), "rdt": linux.get("intelRdt")}


def without_modes(theirs, ours):
    """The library in sid does not fill in the mode of the host's node yet."""
    for one, other in zip(theirs["devices"] or [], ours["devices"] or []):
        if "fileMode" not in one:
            other.pop("fileMode", None)


class Comparison:
    def __init__(self, world):
        self.world, self.count, self.failed = world, 0, 0

    def ask(self, side, flags, container):
        done = side.call(["containers", "create"] + flags + ["t:plain", container, "/bin/true"])
        info = side.call(["containers", "info", "--spec", container])
        if info["code"] == 0:
            side.call(["containers", "rm", container])
        else:  # ctr's fails after its snapshot
            side.call(["snapshots", "rm", container])
        if info["code"] == 0:
            return parts(json.loads(info["out"])), None
        return None, done["err"].strip().splitlines()[-1]

    def compare(self, files, flags, container):
        for folder in (ETC, RUN):
            for name in os.listdir(folder):
                os.unlink(f"{folder}/{name}")
        for path, text in files.items():
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        theirs, said = self.ask(self.world.theirs, flags, container)
        ours, we_say = self.ask(self.world.ours, flags, container)
        if theirs and ours:
            without_modes(theirs, ours)
            return [f"{key}: {theirs[key]} with ctr, {ours[key]} with coracle" for key in theirs if theirs[key] != ours[key]]
        if theirs or ours:
            return [f"ctr: {said or 'taken'}; coracle: {we_say or 'taken'}"]
        # Ours goes on with the file and the reason.
        return [] if we_say.startswith(said) else [f"ctr: {said}; coracle: {we_say}"]

    def one(self, title, files, flags, differs):
        self.count += 1
        lines = self.compare(files, flags, f"c{self.count}")
        if differs:
            lines = [] if lines else [f"no difference ({differs})"]
        self.failed += bool(lines)
        print(f"{'not ok' if lines else 'ok'} {self.count} cdi: {title}")
        for line in lines:
            print(f"#   {line}")


def our_directories(top, root):
    """/etc/cdi and /run/cdi of this mount namespace, here and in the other root."""
    os.mkdir(top)
    must(["mount", "-t", "tmpfs", "tmpfs", top])
    for name in ("upper", "work"):
        os.mkdir(f"{top}/{name}")
    must(["mount", "-t", "overlay", "-o", f"lowerdir=/etc,upperdir={top}/upper,workdir={top}/work", "overlay", "/etc"])
    must(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    for folder in (ETC, RUN):
        os.makedirs(folder, exist_ok=True)
        os.makedirs(root + folder, exist_ok=True)
        must(["mount", "-t", "tmpfs", "tmpfs", folder])
        must(["mount", "--bind", folder, root + folder])


def main():
    root = sys.argv[1]
    work = tempfile.mkdtemp(prefix="c.", dir=os.environ.get("TMPDIR", "/tmp"))
    os.chmod(work, 0o755)
    build = os.environ.get("CORACLE_BUILD", os.path.join(TOP, "build", "gcc"))
    world = World(work, build, "ct-" + os.environ.get("CORACLE_TEST_ID", str(os.getpid())), root)
    try:
        world.up()
        our_directories(work + "/etc", world.chroot)
        comparison, table = Comparison(world), cases()
        print(f"1..{len(table)}", flush=True)
        for case in table:
            comparison.one(*case)
        return 1 if comparison.failed else 0
    finally:
        world.down()
        world.remove()
        subprocess.run(["find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*/{world.namespace}*", "-exec", "rmdir", "{}", ";"],
                       stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
