# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: a private store, a private containerd, bundles, timing, medians with their spread, the machine.

Peers are measured in the same session, taking turns round by round, so that what the machine does meanwhile meets all of them.
A ratio is the median of the ratios of the rounds; its spread is their quartiles.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMESPACE = "bench"
IMAGE = "docker.io/library/busybox:bench"


def quiet(command, **more):
    """Runs; fails loudly, with what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}")
    return done.stdout.decode()


class Bench:
    """A temporary directory with everything: rootfs, store, bundle, containerd. Use as a context manager."""

    def __init__(self, build, containerd=True):
        self.build = os.path.abspath(build)
        self.want_containerd = containerd
        self.dir = tempfile.mkdtemp(prefix="coracle-bench.")
        self.daemon = None
        self.hugetlb = False
        self.shims = []
        self.env = dict(os.environ, CORACLE_ROOT=self.path("root"), CORACLE_STATE=self.path("run", "coracle"), CONTAINERD_NAMESPACE=NAMESPACE)
        for name in ("CONTAINERD_ADDRESS", "CONTAINERD_SNAPSHOTTER"):
            self.env.pop(name, None)
        dirs = []
        for folder, _, names in os.walk(os.path.join(self.build, "src")):
            for name in names:
                if name in ("coracle", "coracle-shim") and os.access(os.path.join(folder, name), os.X_OK):
                    dirs.append(folder)
        self.env["PATH"] = ":".join(sorted(set(dirs)) + [os.environ["PATH"]])
        self.coracle = shutil.which("coracle", path=self.env["PATH"])
        if not self.coracle:
            sys.exit(f"no coracle in {self.build}/src")
        self.crun = shutil.which("crun") or sys.exit("no crun (tools/install-deps test)")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def __enter__(self):
        out = subprocess.run([os.path.join(ROOT, "tools", "hybrid-cgroups"), "up"], stdout=subprocess.PIPE, check=False).stdout
        self.hugetlb = b"mounted" in out
        try:
            # As on a usual machine, where /run is a tmpfs: everybody's run-time state lies there.
            os.mkdir(self.path("run"))
            quiet(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.path("run")])
            self.make_rootfs()
            self.run_coracle("images", "import", "--rootfs", self.path("rootfs"), IMAGE)
            self.make_bundle()
            if self.want_containerd:
                self.start_containerd()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in subprocess.run([self.coracle, "tasks", "list", "-q"], env=self.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, check=False).stdout.decode().split():
            subprocess.run([self.coracle, "tasks", "delete", "--force", name], env=self.env, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
        if self.daemon:
            for name in self.ctr_out("tasks", "list", "-q").split():
                subprocess.run(self.ctr("tasks", "delete", "--force", name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               check=False)
            self.daemon.terminate()
            self.daemon.wait()
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            points = [line.split()[4] for line in f]
        for point in sorted((p for p in points if p.startswith(self.dir + "/")), reverse=True):
            subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            if NAMESPACE in names:
                for inner, _, _ in os.walk(os.path.join(folder, NAMESPACE), topdown=False):
                    try:
                        os.rmdir(inner)
                    except OSError:
                        pass
                names.remove(NAMESPACE)
        if self.hugetlb:
            subprocess.run([os.path.join(ROOT, "tools", "hybrid-cgroups"), "down"], check=False)

    def make_rootfs(self):
        root = self.path("rootfs")
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root", "run"):
            os.makedirs(os.path.join(root, name))
        shutil.copy("/bin/busybox", os.path.join(root, "bin/busybox"))
        for applet in quiet(["/bin/busybox", "--list"]).split():
            if applet != "busybox":
                os.symlink("busybox", os.path.join(root, "bin", applet))
        with open(os.path.join(root, "etc/passwd"), "w", encoding="utf-8") as f:
            f.write("root:x:0:0:root:/root:/bin/sh\n")
        with open(os.path.join(root, "etc/group"), "w", encoding="utf-8") as f:
            f.write("root:x:0:\n")

    def run_coracle(self, *args, env=None):
        return quiet([self.coracle, *args], env=env or self.env)

    def make_bundle(self):
        """The equivalent bare bundle: the spec that coracle itself makes, on the bare root file system."""
        self.run_coracle("containers", "create", IMAGE, "spec", "/bin/true")
        spec = json.loads(self.run_coracle("containers", "info", "--spec", "spec"))
        self.run_coracle("containers", "delete", "spec")
        spec["root"] = {"path": self.path("rootfs")}
        spec["process"]["args"] = ["/bin/true"]
        spec["linux"]["cgroupsPath"] = f"/{NAMESPACE}/bundle"
        self.spec = spec
        os.makedirs(self.path("bundle"))
        self.write_spec(self.path("bundle"), "bundle")

    def write_spec(self, bundle, name):
        os.makedirs(bundle, exist_ok=True)
        spec = dict(self.spec, linux=dict(self.spec["linux"], cgroupsPath=f"/{NAMESPACE}/{name}"))
        with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as f:
            json.dump(spec, f)

    # ---- containerd ------------------------------------------------------------------------------------------------

    def start_containerd(self):
        config = self.path("containerd.toml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'version = 2\nroot = "{self.path("cd-root")}"\nstate = "{self.path("run", "containerd")}"\n'
                    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.devmapper", '
                    '"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]\n'
                    f'[grpc]\naddress = "{self.path("cd.sock")}"\n[ttrpc]\naddress = "{self.path("cd.ttrpc.sock")}"\n')
        with open(self.path("containerd.log"), "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(["containerd", "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(100):
            if subprocess.run(self.ctr("version"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            sys.exit("containerd does not start:\n" + open(self.path("containerd.log"), encoding="utf-8").read()[-2000:])
        # The same image: an OCI layout of the store's blobs.
        self.export_layout(self.path("image.tar"))
        quiet(self.ctr("images", "import", self.path("image.tar")))

    def export_layout(self, out):
        layout = self.path("layout")
        os.makedirs(os.path.join(layout, "blobs"))
        shutil.copytree(self.path("root", "content", "blobs", "sha256"), os.path.join(layout, "blobs", "sha256"))
        for line in self.run_coracle("images", "list").split("\n"):
            if line.startswith(IMAGE):
                media_type, digest = line.split()[1:3]
        size = os.path.getsize(os.path.join(layout, "blobs", *digest.split(":")))
        with open(os.path.join(layout, "oci-layout"), "w", encoding="utf-8") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as f:
            json.dump({"schemaVersion": 2, "manifests": [{"mediaType": media_type, "digest": digest, "size": size,
                                                          "annotations": {"io.containerd.image.name": IMAGE}}]}, f)
        quiet(["tar", "-C", layout, "-cf", out, "."])

    def ctr(self, *args):
        return ["ctr", "--address", self.path("cd.sock"), "--namespace", NAMESPACE, *args]

    def ctr_out(self, *args):
        return subprocess.run(self.ctr(*args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode()

    # ---- the three ways to start a container -----------------------------------------------------------------------

    def commands(self):
        """name -> function(id) that gives (command, environment)"""
        def coracle(name):
            return [self.coracle, "run", "--rm", "--runc-binary", self.crun, IMAGE, name, "/bin/true"], self.env

        def crun(name):
            bundle = self.path("bundle")
            if name is not None and not name.startswith("seq"):
                bundle = self.path("bundles", name)
                self.write_spec(bundle, name)
            return [self.crun, "--root", self.path("run", "crun"), "run", "--bundle", bundle, name], self.env

        def ctr(name):
            runtime = ["--runc-binary", self.crun, "--runc-root", self.path("run", "ctr-runc")]
            return self.ctr("run", "--rm", *runtime, IMAGE, name, "/bin/true"), self.env

        ways = {"coracle": coracle, "crun": crun}
        if self.want_containerd:
            ways["ctr"] = ctr
        return ways



def spawn(command, env):
    """As little as possible around the command: posix_spawn with the null device for its streams."""
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    return os.posix_spawnp(command[0], command, env, file_actions=actions)


def timed(command, env):
    start = time.perf_counter()
    pid = spawn(command, env)
    _, status = os.waitpid(pid, 0)
    took = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command)}: status {status}")
    return took


def timed_at_once(commands):
    start = time.perf_counter()
    pids = [spawn(command, env) for command, env in commands]
    bad = [status for status in (os.waitpid(pid, 0)[1] for pid in pids) if status != 0]
    took = time.perf_counter() - start
    if bad:
        sys.exit(f"{len(bad)} of {len(pids)} failed: {' '.join(commands[0][0])}")
    return took


def quartiles(values):
    ordered = sorted(values)
    if len(ordered) < 4:
        return ordered[0], ordered[-1]
    q = statistics.quantiles(ordered, n=4)
    return q[0], q[2]


def summary(values):
    low, high = quartiles(values)
    return {"median": statistics.median(values), "low": low, "high": high, "n": len(values)}


def ratio(ours, theirs):
    return summary([a / b for a, b in zip(ours, theirs)])


def show(s, unit="", digits=2):
    return f"{s['median']:.{digits}f}{unit} ({s['low']:.{digits}f} to {s['high']:.{digits}f})"


def machine():
    """What was measured on, for the results."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(f.readline().split()[1]) / (1 << 20)
    fs = quiet(["stat", "-f", "-c", "%T", tempfile.gettempdir()]).strip()

    def version(*command):
        try:
            return quiet(list(command)).split("\n")[0].strip()
        except FileNotFoundError:
            return "missing"

    with open("/etc/os-release", encoding="utf-8") as f:
        system = next((line.split("=", 1)[1].strip().strip('"') for line in f if line.startswith("PRETTY_NAME=")), "unknown")
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            check=False).stdout.decode().strip()
    return {
        "processor": f"{model}, {os.cpu_count()} CPUs", "memory": f"{memory:.0f} GiB", "kernel": platform.release(), "system": system,
        "file system": fs, "cgroups": "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1 or hybrid",
        "crun": version("crun", "--version"), "containerd": version("containerd", "--version"), "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
    }


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--rounds", type=int, default=0, help="0: the script's own number")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser.parse_args()


def report(args, name, title, rows, target):
    """rows: list of (label, summary, unit, digits); target: list of (label, ratio summary, limit)."""
    print(title)
    for label, s, unit, digits in rows:
        print(f"  {label:44} {show(s, unit, digits)}")
    for label, s, limit in target:
        print(f"  {label:44} {show(s)}   limit {limit}   {'met' if s['median'] <= limit else 'NOT MET'}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"name": name, "title": title, "rows": rows, "targets": target}, f, indent=1)
