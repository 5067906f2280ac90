# SPDX-License-Identifier: Apache-2.0
"""Where coracle differs from ctr on purpose. doc/ctr-differences.md is made from this list (tests/compat/cases.py --doc).

Each entry brings what ctr gave and what coracle gave together, in place: apply(theirs, ours, case). An entry with `always` is
applied to every case, another to the cases that name it in their last column; there it must change something. One that changes
nothing anywhere is an error too, so that this list stays true. `since` is the first version of ctr that does as we do, `only` the first that does not.
"""
import hashlib
import json
import re

NEWER = "Newer than containerd 1.6"
FAULTS = "Faults that are not copied"
OURS = "Of our own making"


class Difference:
    real = property(lambda self: self.name in ("runtime-missing", "overlay-options", "oom-score", "runtime-line", "no-console"))

    def applies(self, version):
        return not (self.since and version >= self.since) and not (self.only and version < self.only)

    def __init__(self, name, section, text, apply, always, since, only):
        self.name, self.section, self.text, self.apply, self.always, self.since, self.only = name, section, text, apply, always, since, only


DIFFERENCES = []


def difference(name, section, text, always=False, since=None, only=None):
    def register(function):
        DIFFERENCES.append(Difference(name, section, text, function, always, since, only))
        return function
    return register


def specs(theirs):
    found = [theirs["spec"]] if theirs.get("spec") else []
    return found + [step["out"] for step in theirs.get("steps", []) if "ociVersion" in step["out"]]


def texts(side):
    """Everything with an exit code and texts: the result itself, or its steps."""
    return side["steps"] if "steps" in side else [side]


def replace(theirs, pattern, by):
    for one in texts(theirs):
        one["err"] = re.sub(pattern, by, one.get("err", ""), flags=re.MULTILINE)


@difference("temporary-mount", FAULTS, "Messages about users do not name the temporary directory in which ctr looked.", always=True)
def temporary_mount(theirs, _ours, _case):
    replace(theirs, r"mount callback failed on \S+: ", "")
    replace(theirs, r"/\S*/containerd-mount\d+/", "/")


# ---- the newest ctr -------------------------------------------------------------------------------------------------


@difference("powercap", NEWER, "`/sys/devices/virtual/powercap` is masked too.", always=True, since="2")
def powercap(theirs, _ours, case):
    for spec in specs(theirs) if "--config" not in case[0] else []:
        masked = spec.get("linux", {}).get("maskedPaths")
        if masked and "/sys/firmware" in masked and "/sys/devices/virtual/powercap" not in masked:
            masked.insert(masked.index("/sys/firmware") + 1, "/sys/devices/virtual/powercap")


@difference("user-range", NEWER, "A USER of the image that is a number out of range is `invalid USER value \"…\": uid out of range` (or `gid`); "
            "1.6 looks it up as a name, and would take an entry of that name (CVE-2024-40635).", since="2")
def user_range(theirs, _ours, case):
    user = USERS_BY_IMAGE[case[1]]
    replace(theirs, r"no (users|groups) found", f"invalid USER value \"{user}\": {'gid' if ':' in user else 'uid'} out of range")


USERS_BY_IMAGE = {}


@difference("mount-replaces", NEWER, "`--mount` on the destination of another mount replaces that mount; 1.6 adds a second one.", since="2")
def mount_replaces(theirs, _ours, case):
    given = re.findall(r"(?:dst|destination)=([^, ]*)", case[0])
    for spec in specs(theirs):
        kept = []
        for mount in reversed(spec["mounts"]):
            if not (mount["destination"] in given and mount["destination"] in [m["destination"] for m in kept]):
                kept.append(mount)
        spec["mounts"] = kept[::-1]


@difference("gpus-cdi", NEWER, "`--gpus` looks for CDI files first, and then for `nvidia-container-cli`.", since="2.3")
def gpus_cdi(theirs, _ours, _case):
    replace(theirs, r'exec: "nvidia-container-cli": executable file not found in \$PATH',
            "detect GPU vendor failed: no known GPU vendor detected in CDI specs, only AMD and NVIDIA are supported, and "
            "nvidia-container-cli is not in PATH either")
    replace(theirs, r"strconv.(Atoi|ParseInt): .*$", "parse error")


@difference("device-cdi", NEWER, "`--device vendor/class=name` names a CDI device.", since="2")
def device_cdi(theirs, _ours, _case):
    replace(theirs, r"error stating device path: stat (\S+): .*", r"CDI device injection failed: unresolvable CDI devices \1")


@difference("uidmap-empty", NEWER, "An empty `--uidmap` and `--gidmap` is an error.", since="2")
def uidmap_empty(theirs, ours, _case):
    refused(theirs, ours, "user namespace mappings require the format")


@difference("unmapped-owner", NEWER, "A file of the image whose owner the user namespace does not map is an error.", since="2")
def unmapped_owner(theirs, ours, _case):
    refused(theirs, ours, "cannot be mapped to a host ID")


@difference("missing-user-file", NEWER, "A missing `/etc/passwd` or `/etc/group` is `stat …`, not `open …`.", since="2")
def missing_user_file(theirs, _ours, _case):
    replace(theirs, r"open (/etc/\S+: no such file)", r"stat \1")


@difference("reserved-labels", NEWER, "Labels of an image's configuration that begin with `containerd.io/` or `io.cri-containerd` are not copied to "
            "the container.", since="2")
def reserved_labels(theirs, _ours, _case):
    labels = (theirs.get("record") or {}).get("Labels") or {}
    for key in [k for k in labels if k.startswith(("containerd.io/x", "io.cri-containerd"))]:
        del labels[key]


SECCOMP_ADDED = """cachestat fchmodat2 futex_requeue futex_wait futex_wake getxattrat listmount listxattrat lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr map_shadow_stack mseal name_to_handle_at removexattrat setxattrat statmount uretprobe""".split()


@difference("seccomp-newer", NEWER, "The default seccomp profile is that of containerd 2.3: system calls up to Linux 6.13, no `io_uring`, no AF_ALG and AF_VSOCK "
            "sockets.", since="2.3")
def seccomp_newer(theirs, ours, _case):
    for spec in specs(theirs):
        rules = spec["linux"]["seccomp"]["syscalls"]
        first = set(rules[0]["names"]) - {"io_uring_enter", "io_uring_register", "io_uring_setup", "socket"} | set(SECCOMP_ADDED)
        rules[0]["names"] = sorted(first, key=ours["spec"]["linux"]["seccomp"]["syscalls"][0]["names"].index)
        rules[:] = [rule for rule in rules if rule["names"] != ["socket"]]
        rules[1:1] = [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": value, "op": "SCMP_CMP_" + op}]}
                      for value, op in ((38, "LT"), (39, "EQ"), (40, "GT"))]
        for rule in rules:
            if rule["names"] == ["ptrace"]:
                rule["names"] = ["process_vm_readv", "process_vm_writev", "ptrace"]
            elif rule["names"] == ["get_mempolicy", "mbind", "set_mempolicy"]:
                rule["names"].append("set_mempolicy_home_node")
            elif "fsmount" in rule["names"]:
                rule["names"].remove("name_to_handle_at")


@difference("userns-name", NEWER, "The remapped copy of `--uidmap` and `--gidmap` is named by a digest of the image and the whole maps; 1.6 names it by the first "
            "IDs alone, and shares it between maps of different sizes.", since="2")
def userns_name(theirs, _ours, case):
    maps = {}
    for which, container, host, size in re.findall(r"--([ug]id)map (\d+):(\d+):(\d+)", case[0]):
        maps[which] = [{"containerID": int(container), "hostID": int(host), "size": int(size)}]
    parent = re.fullmatch(r"(.*)-\d+-\d+", theirs["snapshot"]["Parent"]).group(1)
    name = json.dumps({"Parent": parent, "IDMap": {"UidMap": maps["uid"], "GidMap": maps["gid"]}}, separators=(",", ":"))
    theirs["snapshot"]["Parent"] = "sha256:" + hashlib.sha256(name.encode()).hexdigest()


@difference("device-error", NEWER, "What `--device` names and is no device is told with its path: `get device path: \"…\" containerPath: \"\" error: not a "
            "device node`.", since="2")
def device_error(theirs, ours, _case):
    for one in texts(ours):
        one["err"] = re.sub(r'get device path: "[^"]*" containerPath: "" error: not a device node', "not a device node", one["err"])


@difference("error-class", NEWER, "Errors of the runtime do not end in `: unknown`, and `no running task found: task X not found` does not end in another "
            "`: not found`.", always=True, since="2")
def error_class(theirs, _ours, _case):
    replace(theirs, r"((OCI runtime \S+ failed|failed to start shim): .*): unknown$", r"\1")
    replace(theirs, r"format like `io.containerd.runc.v1`", "format like `io.containerd.runc.v2`")
    replace(theirs, r"(no running task found: task \S+ not found): not found$", r"\1")


# ---- faults ---------------------------------------------------------------------------------------------------------


@difference("usage-on-stdout", FAULTS, "A wrong flag is one line on standard error; ctr also prints the usage to standard output.", always=True)
def usage_on_stdout(theirs, _ours, _case):
    for one in texts(theirs):
        if one["code"] and isinstance(one.get("out", ""), str) and re.match(r"(Incorrect Usage: .*\n\n)?NAME:\n", one.get("out", "")):
            one["out"] = ""


@difference("log-lines", FAULTS, "Warnings are `coracle: warning: …`; ctr logs them (`time=… level=warning msg=…`), logs what it then reports as its error once "
            "more, and warns about reserved labels of images.", always=True)
def log_lines(theirs, _ours, _case):
    replace(theirs, r'time="[^"]*" level=(error .*|warning msg="skipping image label .*)\n', "")
    replace(theirs, r'time="[^"]*" level=warning msg="(.*)"$', lambda m: "ctr: warning: " + m[1].replace('\\"', '"'))


@difference("config-kept", FAULTS, "With `--config` the specification stays as it is in the file; ctr drops members that it does not know, and empty lists.")
def config_kept(theirs, ours, _case):
    for spec in specs(theirs):
        spec["x_unknown"] = ours["spec"].get("x_unknown")
        spec["process"]["rlimits"] = ours["spec"]["process"].get("rlimits")


@difference("config-decode", FAULTS, "A file for `--config` that is no specification is told with the member that is wrong.")
def config_decode(theirs, ours, _case):
    for side in (theirs, ours):
        side["err"] = re.sub(r"(decoding spec config file failed, current supported OCI runtime-spec :).*", r"\1", side["err"])


@difference("userns-half", FAULTS, "`--uidmap` without `--gidmap`, either with `--rootfs`, and `--remap-labels` without both are errors; ctr goes on without the user "
            "namespace that was asked for.")
def userns_half(theirs, ours, _case):
    if "map" in ours["err"] and ours["code"] == 1:
        theirs.clear()
        theirs.update(ours)


@difference("seccomp-decode", FAULTS, "A file for `--seccomp-profile` that is none is told with the member that is wrong.")
def seccomp_decode(theirs, ours, _case):
    for side in (theirs, ours):
        replace(side, r'(decoding seccomp profile failed "[^"]*": ).*', r"\1")


@difference("remap-labels-overlay", FAULTS, "`--remap-labels` works where the kernel lets nobody mount overlay with mapped layers; ctr of containerd 2 fails there.",
            only="2")
def remap_labels_overlay(theirs, ours, _case):
    if "failed to start noop process for unshare" in theirs["err"]:
        theirs.clear()
        theirs.update(ours)


@difference("rdt", FAULTS, "`--rdt-class` is refused where the kernel's resctrl is not mounted; ctr takes it, and runc ignores it there.")
def rdt(theirs, ours, _case):
    if "RDT not supported: resctrl not found" in ours["err"] and theirs["code"] == 0:
        theirs.clear()
        theirs.update(ours)


@difference("empty-mount", FAULTS, "An empty `--mount` is `invalid mount specification: it is empty`; ctr says `EOF`.")
def empty_mount(theirs, _ours, _case):
    replace(theirs, "^ctr: EOF$", "ctr: invalid mount specification: it is empty")


@difference("memory-limit-range", FAULTS, "A `--memory-limit` beyond 2^63-1 is an error; ctr makes it negative.")
def memory_limit_range(theirs, ours, _case):
    if "is out of range" in ours["err"] and theirs["code"] == 0:
        theirs.clear()
        theirs.update(ours)


def refused(theirs, ours, text):
    """ctr takes what we refuse with this text."""
    if text in ours["err"] and theirs["code"] == 0:
        theirs.clear()
        theirs.update(ours)


@difference("sandbox-missing", FAULTS, "`--sandbox` with a sandbox that is not there is an error; ctr makes the container.", only="2")
def sandbox_missing(theirs, ours, _case):
    refused(theirs, ours, "can't find sandbox")


@difference("config-path-runc", FAULTS, "`--runtime-config-path` with `io.containerd.runc.v2`, which has no such file, is an error; ctr ignores it.")
def config_path_runc(theirs, ours, _case):
    refused(theirs, ours, "specifying runtime-config-path is not supported")


@difference("cpu-shares", FAULTS, "A negative `--cpu-shares` is an error; ctr ignores it.")
def cpu_shares(theirs, ours, _case):
    refused(theirs, ours, "cpu-shares must not be negative")


@difference("fifo-dir", OURS, "`--fifo-dir` is an error: there are no FIFOs. In the foreground a container has the caller's own descriptors, with `-d` a log.")
def fifo_dir(theirs, ours, _case):
    refused(theirs, ours, "fifo-dir")


@difference("create-task-flags", FAULTS, "`containers create` refuses `--pid-file` and `--no-pivot`, which are of the task; ctr takes them and does nothing.")
def create_task_flags(theirs, ours, _case):
    if theirs["code"] == 0 and "flag provided but not defined" in ours["err"]:
        theirs.clear()
        theirs.update(ours)


@difference("no-console", FAULTS, "`-t` without a terminal is `provided file is not a console`; ctr panics.")
def no_console(theirs, ours, _case):
    for one, other in zip(texts(theirs), texts(ours)):
        if "panic: provided file is not a console" in one["err"]:
            one.update(other)


@difference("label-key", FAULTS, "A label without a key is `label \"…\" has no key`, before anything is made; ctr fails in its database.")
def label_key(theirs, _ours, _case):
    replace(theirs, r'failed to write container "\S+": failed to set label ""="(true|v)": key required(: unknown)?',
            lambda m: f"label \"{'' if m[1] == 'true' else '=v'}\" has no key")


@difference("rootfs-command", FAULTS, "`run --rootfs DIR ID` without a command is an error before anything is made; ctr leaves that to the runtime.")
def rootfs_command(theirs, ours, _case):
    if "a command must be given with a custom rootfs" in ours["err"] and theirs["code"] == 0:
        theirs.clear()
        theirs.update(ours)


@difference("runtime-missing", FAULTS, "A runtime that is not there is `OCI runtime X: no such file or directory`, and one that fails without a word `X create "
            "failed: X: exit status 1`; ctr tells of its log file.")
def runtime_missing(theirs, _ours, _case):
    replace(theirs, r"failed to create shim task: .*: fork/exec (\S+): no such file or directory", r"OCI runtime \1: no such file or directory")
    replace(theirs, r"unable to retrieve OCI runtime error \(.*\): /bin/(\S+) did not terminate successfully: (exit status 1)",
            r"\1 create failed: \1: \2")


# ---- of our own making ----------------------------------------------------------------------------------------------


@difference("spec-version", OURS, "The spec says `ociVersion` 1.0.2, where ctr says 1.0.2-dev or 1.3.0: Debian's crun refuses the latter.", always=True)
def spec_version(theirs, ours, _case):
    for spec, other in zip(specs(theirs), specs(ours)):
        if other.get("ociVersion") == "1.0.2":
            spec["ociVersion"] = "1.0.2"


@difference("overlay-options", OURS, "The container's root is mounted by Linux's newer mount calls, and with `--rm` as overlay's `volatile`: it shows in "
            "`/proc/mounts`.", always=True)
def overlay_options(_theirs, ours, _case):
    for number, line in enumerate(ours.get("view", {}).get("mounts", [])):
        if line.startswith("/ overlay "):
            ours["view"]["mounts"][number] = line.replace("fsync,", "").replace("uuid,", "")


@difference("oom-score", OURS, "A container's OOM score is the caller's; with containerd it is its daemon's plus one.", always=True)
def oom_score(theirs, ours, _case):
    if "view" in theirs and "view" in ours and theirs["view"]["oom_score_adj"] == "1\n":
        theirs["view"]["oom_score_adj"] = ours["view"]["oom_score_adj"]


@difference("run-checkpoint", OURS, "`run --checkpoint IMAGE` restores a container, as early versions of ctr did; later ones lost the flag.")
def run_checkpoint(theirs, ours, _case):
    for side, text in ((theirs, "flag provided but not defined: -checkpoint"), (ours, 'checkpoint \\S+: image "\\S+" is no checkpoint: \\S+')):
        replace(side, text, "<checkpoint>")


@difference("blockio-partitions", OURS, "A block I/O class applies to every block device it names; ctr takes one whose minor number is no multiple of 16 for a "
            "partition and leaves it out, with a warning.", only="2")
def blockio_partitions(theirs, ours, _case):
    if "cannot weight/throttle partitions" in theirs["err"]:
        theirs.clear()
        theirs.update(ours)


@difference("tag-again", OURS, "`images tag` refuses a name that is there, unless with `--force`; the ctr of containerd 2 overwrites it.", only="2")
def tag_again(theirs, ours, _case):
    theirs["steps"][1] = ours["steps"][1]


@difference("runtime-line", OURS, "In the foreground the runtime's standard error is the caller's, so that a runtime that fails may print a line of its own "
            "before Coracle's.", always=True)
def runtime_line(_theirs, ours, _case):
    for one in texts(ours):
        one["err"] = re.sub(r"^((runc (run|create|exec|start)|exec) failed: .*|time=.*)\n", "", one["err"])


def document():
    out = ["<!-- Made by tests/compat/cases.py --doc from tests/compat/deliberate.py; edit that. -->",
           "# Where Coracle differs from ctr", "",
           "The tests in `tests/compat` run the same command lines with `ctr`, on a real containerd 1.6, and with `coracle`: exit codes, texts,",
           "container records, OCI specs, and what the process inside sees must be the same. These are the differences that are meant;",
           "the tests fail when there is another one, and when one of these is gone."]
    for section in (NEWER, FAULTS, OURS):
        out += ["", "## " + section, ""]
        for one in DIFFERENCES:
            if one.section == section:
                out += wrap("- " + one.text)
    out += ["", "## What no case shows", ""]
    for text in UNSHOWN:
        out += wrap("- " + text)
    return "\n".join(out) + "\n"


UNSHOWN = (
    "A `run` that fails leaves nothing: with ctr the container stays, unless with `--rm`.",
    "Flags behind the positionals of a command are an error: containerd 1.6 takes them, containerd 2 takes them for names.",
    "`containers restore` keeps the labels; ctr loses them.",
    "`--cni` with `--net-host` is an error, and a network is taken away when the container has ended, not by any signal.",
    "`tasks kill -s KILL` waits a moment for the process to end.",
    "`run` has flags that ctr has not: `--publish`, `--explain`, `--cpu-burst`.",
    "Not there yet: other runtimes' shims, `--address`, `plugins`, `events`, `info`, `sandboxes`, `shim`, `deprecations`, `images pull`, `push`, "
    "`mount`, `unmount`, `prune` and `convert`, `content edit`, `fetch`, `fetch-object`, `fetch-blob` and `push-object`, `tasks metrics`.",
)


def wrap(text, width=120):
    import textwrap
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
