# SPDX-License-Identifier: Apache-2.0
"""The two sides of the comparison: a private containerd with ctr, and coracle; the same images, files and `runc` for both.

Everything is below one directory. Of the machine nothing is used but the kernel: the control groups are in a namespace of this
run's own (/<namespace>/<id>), and so are the names of containers.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))
import mkimage  # noqa: E402

CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{0}/c.sock"
[ttrpc]
  address = "{0}/t.sock"
"""

PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false

alice:x:1000:1000:Alice:/home/alice:/bin/sh
bob:x:1001:100::/:/bin/sh
1234:x:77:78:numeric name:/:/bin/sh
twin:x:1000:2000:same uid as alice:/:/bin/sh
"""
GROUP = """root:x:0:
# a comment: root:x:666:root
daemon:x:1:
disk:x:6:root,alice
wheel:x:10:root,alice
users:x:100:alice
alice:x:1000:alice
staff:x:50:bob, alice
bobs:x:101:bob,root
4321:x:55:
"""
# Of the runtime spec, and of Docker's own.
SECCOMP = """{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5, "archMap": [{"architecture": "SCMP_ARCH_X86_64"}],
 "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "flags": [], "syscalls": [
  {"names": ["mkdir", "keyctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0, "comment": "", "includes": {"caps": ["CAP_BPF"]}, "args": []},
  {"names": ["personality"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 8, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]}
"""
BLOCKIO = """Classes:
  slow:
  - Weight: 80
  - Devices: ["{0}/devices/[b-c]"]
    throttlereadbps: 1.5Ki
    ThrottleWriteIOPS: 5k
    Weight: "20"
  nothing:
"""
USERS = ["0", "1000", "1001", "4242", "1234", "alice", "bob", "root", "alice:users", "alice:50", "1000:staff", "5:6", "1000:", ":5",
         "alice:", "0:0", "+7", "2147483647", "2147483648", "99999999999999999999", "-1", "-1000", "4321:4321", "nobodyhere",
         "alice:nogroup", "a:b:c", "1000:2147483648", "007", "0x10"]
# Image name (below t:) to its configuration.
IMAGES = {
    "plain": {"Cmd": ["/bin/sh"]},
    "env": {"Env": ["PATH=/bin", "A=image", "B=image", "EMPTY="], "WorkingDir": "/tmp", "Entrypoint": ["/bin/sh", "-c"],
            "Cmd": ["echo hi"], "Labels": {"in.image": "yes"}},
    "entry": {"Entrypoint": ["/bin/probe", "entry"]},
    "entry-cmd": {"Entrypoint": ["/bin/probe", "entry"], "Cmd": ["command", "two words"]},
    "cmd": {"Cmd": ["/bin/probe", "command"]},
    "no-args": {"Env": ["PATH=/bin"]},
    "empty-args": {"Entrypoint": [], "Cmd": []},
    "empty-entry": {"Entrypoint": [""], "Cmd": ["/bin/true"]},
    "env-twice": {"Cmd": ["/bin/probe"], "Env": ["A=1", "A=2", "PATH=/first", "PATH=/bin", "NOEQ", "=x", "B=b=b"]},
    "env-path": {"Cmd": ["/bin/probe"], "Env": ["LANG=C"]},
    "workdir-missing": {"Cmd": ["/bin/probe"], "WorkingDir": "/not/there/yet"},
    "workdir-relative": {"Cmd": ["/bin/probe"], "WorkingDir": "tmp"},
    "stop-signal": {"Cmd": ["/bin/true"], "StopSignal": "SIGUSR1"},
    "stop-number": {"Cmd": ["/bin/true"], "StopSignal": "15"},
    "volumes": {"Cmd": ["/bin/probe"], "Volumes": {"/data": {}, "/var/x": {}}},
    "ports": {"Cmd": ["/bin/true"], "ExposedPorts": {"80/tcp": {}}, "Healthcheck": {"Test": ["CMD", "x"]}, "Shell": ["/bin/x"]},
    "labels": {"Cmd": ["/bin/true"], "Labels": {"a": "image", "b": "", "containerd.io/x": "reserved", "containerd.io": "not reserved",
               "io.cri-containerd.y": "reserved", "io.containerd.image.config.stop-signal": "SIGFAKE", "z.y": "ä \" <&>"}},
    "labels-long": {"Cmd": ["/bin/true"], "Labels": {"k" * 90: "v" * 4006, "short": "kept"}},
    "user-env": {"Cmd": ["/bin/probe"], "User": "alice", "Env": ["HOME=/x"], "WorkingDir": "/tmp"},
    "tty-env": {"Cmd": ["/bin/probe"], "Env": ["PATH=/bin", "TERM=dumb"]},
    "empty-config": {},
}


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, **more)


def must(command, **more):
    done = run(command, **more)
    if done.returncode:
        sys.exit(f"compat: {' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode()


# ---- images ----------------------------------------------------------------------------------------------------------


def base_layer(probe, kind):
    layer = mkimage.Layer()
    for name in ("bin", "proc", "sys", "dev", "run", "root", "var"):
        layer.dir(name)
    layer.dir("tmp", mode=0o1777).dir("home").dir("home/alice", uid=1000, gid=1000)
    for source, target in (("/bin/busybox", "bin/busybox"), (probe, "bin/probe")):
        with open(source, "rb") as f:
            layer.add(target, data=f.read(), mode=0o755)
    for name in ("sh", "true", "sleep", "false", "cat", "kill", "echo"):
        layer.symlink("bin/" + name, "busybox")
    if kind == "links":
        layer.dir("etc").dir("data").symlink("etc/passwd", "/data/passwd").symlink("etc/group", "/data/group")
        layer.add("data/passwd", data=PASSWD.encode()).add("data/group", data=GROUP.encode())
    elif kind == "no-group":
        layer.dir("etc").add("etc/passwd", data=PASSWD.encode())
    elif kind != "no-passwd":
        layer.dir("etc").add("etc/passwd", data=PASSWD.encode()).add("etc/group", data=GROUP.encode())
    return layer.done()


class Images:
    """One OCI layout with all of them."""

    def __init__(self, probe):
        self.layout, self.entries, self.layers = mkimage.Layout(), [], {}
        for kind in ("base", "links", "no-passwd", "no-group"):
            data = base_layer(probe, kind)
            self.layers[kind] = (self.layout.blob(data, mkimage.OCI + "layer.v1.tar"), mkimage.sha(data))

    def manifest(self, config, kind="base", platform="linux/amd64", **more):
        layer, diff_id = self.layers[kind]
        text = {**mkimage.platform(platform), "config": config, "rootfs": {"type": "layers", "diff_ids": [diff_id]}, **more}
        if config is None:
            del text["config"]
        descriptor = self.layout.json(text, mkimage.OCI + "config.v1+json")
        return self.layout.json({"schemaVersion": 2, "mediaType": mkimage.OCI + "manifest.v1+json", "config": descriptor,
                                 "layers": [layer]}, mkimage.OCI + "manifest.v1+json")

    def add(self, tag, target):
        self.entries.append({**target, "annotations": {"org.opencontainers.image.ref.name": tag}})

    def index(self, *entries):
        return self.layout.json({"schemaVersion": 2, "mediaType": mkimage.OCI + "index.v1+json", "manifests": list(entries)},
                                mkimage.OCI + "index.v1+json")

    def all(self):
        for tag, config in IMAGES.items():
            self.add(tag, self.manifest(config))
        for number, user in enumerate(USERS):
            self.add(f"u{number}", self.manifest({"Cmd": ["/bin/probe"], "User": user}))
        for kind in ("links", "no-passwd", "no-group"):
            for who, user in (("", ""), ("-alice", "alice"), ("-1000", "1000"), ("-alice-users", "alice:users"), ("-5-6", "5:6")):
                self.add(kind + who, self.manifest({"Cmd": ["/bin/probe"], "User": user}, kind))
        self.add("null-config", self.manifest(None))
        variants = []
        for platform in ("linux/arm64/v8", "linux/amd64", "linux/arm/v7", "linux/386", "windows/amd64"):
            one = self.manifest({"Cmd": ["/bin/probe", platform]}, platform=platform)
            variants.append({**one, "platform": mkimage.platform(platform)})
        self.add("multi", self.index(*variants))
        self.add("multi-foreign", self.index(*[v for v in variants if v["platform"]["architecture"] != "amd64"
                                               and v["platform"]["architecture"] != "386"]))
        arm = self.manifest({"Cmd": ["/bin/probe", "arm"]}, platform="linux/arm64")
        self.add("single-arm", arm)

    def write(self, out):
        self.layout.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": self.entries}).encode()
        self.layout.write(out)


# ---- the sides -------------------------------------------------------------------------------------------------------


class Side:
    """One of the two programs: how it is called."""

    def __init__(self, name, command, env):
        self.name, self.command, self.env = name, command, env

    def call(self, args, cwd=None, stdin=None, timeout=60):
        try:
            done = subprocess.run(self.command + args, env=self.env, cwd=cwd, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=None if stdin is not None else subprocess.DEVNULL, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return {"code": "timeout", "out": "", "err": f"no end after {timeout} s"}
        return {"code": done.returncode, "out": done.stdout.decode(errors="backslashreplace"),
                "err": done.stderr.decode(errors="backslashreplace")}

    def ok(self, *args):
        done = self.call(list(args))
        if done["code"]:
            sys.exit(f"compat: {self.name}: {' '.join(args)}: {done['err']}")
        return done["out"]


class World:
    """Both sides, set up; `chroot` is a root directory with another containerd in it."""

    def __init__(self, work, build, namespace, chroot=None):
        self.work, self.namespace, self.tree, self.daemon = work, namespace, chroot, None
        self.chroot = chroot and work + "/root"
        self.runtime_log = work + "/runtime.log"
        self.files = work + "/f"
        path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        for folder in ("bin", "ours", "ctrd", "f"):
            os.makedirs(f"{work}/{folder}")
        os.symlink(f"{build}/src/cmd/coracle", work + "/ours/ctr")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CONTAINERD_", "CORACLE_")) and k != "SOURCE_DATE_EPOCH"}
        env["PATH"] = work + "/bin:" + path
        prefix = ["chroot", self.chroot, "env", "-C", self.files] if chroot else []
        self.daemon_env = env
        self.daemon_command = prefix + ["containerd", "--config", work + "/ctrd/config.toml"]
        self.theirs = Side("ctr", prefix + ["ctr", "--address", work + "/ctrd/c.sock", "-n", namespace], env)
        self.ours = Side("coracle", [work + "/ours/ctr", "-n", namespace],
                         {**env, "PATH": f"{work}/bin:{build}/src/shim:{path}", "CORACLE_ROOT": work + "/store", "CORACLE_STATE": work + "/run"})
        self.sides = (self.theirs, self.ours)

    def up(self):
        if self.chroot:
            self.mount_root()
        self.compile()
        with open(self.runtime_log, "w", encoding="utf-8"):
            pass
        self.make_files()
        images = Images(self.work + "/bin/probe")
        images.all()
        images.write(self.work + "/f/images.tar")
        self.start_daemon()
        self.make_specs()
        for side in self.sides:
            side.ok("images", "import", "--base-name", "t", "--all-platforms", "--no-unpack", self.work + "/f/images.tar")
            side.ok("images", "label", "t:labels", "record=yes", "a=record")
            side.ok("images", "label", "t:env", "containerd.io/record=reserved")

    def mount_root(self):
        """The other root directory with this machine's /proc, /sys, /dev, and with our directory under its name."""
        os.makedirs(self.chroot)
        must(["mount", "--bind", self.tree, self.chroot])
        for name in ("proc", "sys", "dev"):
            must(["mount", "--rbind", "/" + name, f"{self.chroot}/{name}"])
        os.makedirs(self.chroot + self.work, exist_ok=True)
        must(["mount", "--bind", self.work, self.chroot + self.work])

    def compile(self):
        real = shutil.which("runc") or "/usr/sbin/runc"
        for source, out, more in (("probe", "probe", []), ("runtime", "runc", [f'-DREAL_RUNC="{real}"', f'-DRUNTIME_LOG="{self.runtime_log}"'])):
            must(["gcc", "-O1", "-static", "-D_GNU_SOURCE", *more, "-o", f"{self.work}/bin/{out}", f"{HERE}/{source}.c"])

    def start_daemon(self):
        with open(self.work + "/ctrd/config.toml", "w", encoding="utf-8") as f:
            f.write(CONFIG.format(self.work + "/ctrd"))
        with open(self.work + "/ctrd/log", "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(self.daemon_command, env=self.daemon_env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(200):
            if self.theirs.call(["version"])["code"] == 0:
                return
            time.sleep(0.05)
        with open(self.work + "/ctrd/log", encoding="utf-8") as f:
            sys.exit("compat: containerd did not start: " + f.read()[-2000:])

    def version(self):
        """Of ctr: "1.6"."""
        return re.search(r"\b(\d+\.\d+)\.\d", self.theirs.ok("--version"))[1]

    def down(self):
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(10)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
            points = [line.split()[4] for line in f if f" {self.work}/" in line]
        for point in reversed(points):
            run(["umount", "-l", point])
        if self.tree:
            run(["rmdir", self.tree + self.work])

    def remove(self):
        """The directory, unless something is still mounted in it."""
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
            if f" {self.work}/" not in f.read():
                shutil.rmtree(self.work, ignore_errors=True)

    # ---- files that cases name -------------------------------------------------------------------------------------------

    def make_files(self):
        """$W in a case is this directory."""
        files = {
            "env": "FILE=1\nA=file\nNOEQ\n\nB=x=y\nA=file2\n#C=comment\n",
            "env-crlf": "CR=1\r\nLAST=no newline",
            "env-empty": "",
            "plain": "plain\n",
            "bad.json": "{",
            "seccomp.json": SECCOMP,
            "seccomp-member.json": '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": 3}',
            "blockio.yaml": BLOCKIO.format(self.files),
            "args.json": '{"ociVersion": "1.0.2", "process": {"args": "x"}}',
        }
        for name, content in files.items():
            with open(f"{self.files}/{name}", "w", encoding="utf-8", newline="") as f:
                f.write(content)
        os.makedirs(self.files + "/empty")
        os.makedirs(self.files + "/shared")
        os.makedirs(self.files + "/ns")
        for name in ("net", "ipc", "uts"):  # namespaces to join
            with open(f"{self.files}/ns/{name}", "w", encoding="utf-8"):
                pass
        must(["unshare", *[f"--{kind}={self.files}/ns/{kind}" for kind in ("net", "ipc", "uts")], "hostname", "joined"])
        self.make_rootfs(self.files + "/rootfs")
        self.make_devices(self.files + "/devices")

    def make_rootfs(self, path):
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "run"):
            os.makedirs(f"{path}/{name}")
        shutil.copy("/bin/busybox", path + "/bin/busybox")
        shutil.copy(self.work + "/bin/probe", path + "/bin/probe")
        for name in ("sh", "true", "sleep"):
            os.symlink("busybox", f"{path}/bin/{name}")
        for name, content in (("passwd", PASSWD), ("group", GROUP)):
            with open(f"{path}/etc/{name}", "w", encoding="utf-8") as f:
                f.write(content)

    def make_specs(self):
        """Files for --config, from ctr's own."""
        spec = json.loads(self.theirs.ok("oci", "spec"))
        spec["process"]["args"] = ["/bin/true"]
        spec["annotations"] = {"was": "there", "a": "0"}
        spec["process"]["rlimits"] = []
        spec["x_unknown"] = {"kept": [1]}
        with open(self.files + "/spec.json", "w", encoding="utf-8") as f:
            json.dump(spec, f)
        spec["root"]["path"] = self.files + "/rootfs"
        spec["process"]["args"] = ["/bin/busybox", "echo", "by its spec"]
        spec["linux"]["cgroupsPath"] = f"/{self.namespace}/spec-real"
        with open(self.files + "/spec-real.json", "w", encoding="utf-8") as f:
            json.dump(spec, f)

    def make_devices(self, path):
        os.makedirs(path + "/sub/pts")
        os.makedirs(path + "/sub/deep")
        os.mknod(path + "/b", 0o060640, os.makedev(7, 1000))
        os.mknod(path + "/a", 0o020666, os.makedev(1, 3))
        os.mknod(path + "/console", 0o020600, os.makedev(5, 1))
        os.mknod(path + "/sub/deep/z", 0o020600, os.makedev(300, 70000))
        os.mknod(path + "/sub/pts/hidden", 0o020600, os.makedev(1, 5))
        os.mkfifo(path + "/sub/fifo", 0o600)
        os.chmod(path + "/a", 0o4666)
        os.chown(path + "/b", 12, 34)
        os.symlink("a", path + "/link")
        os.symlink("devices", self.files + "/tree")
