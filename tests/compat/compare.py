# SPDX-License-Identifier: Apache-2.0
"""What is compared, brought into a form in which equal things are equal: records, specs, runtime calls, views from inside."""
import base64
import difflib
import json
import os
import re

# Fields of containerd.runc.v1.Options, by number.
RUNC_OPTIONS = {1: "no_pivot_root", 2: "no_new_keyring", 3: "shim_cgroup", 4: "io_uid", 5: "io_gid", 6: "binary_name", 7: "root",
                9: "systemd_cgroup", 10: "criu_image_path", 11: "criu_work_path", 12: "task_api_address", 13: "task_api_version"}


def protobuf(data):
    """Field number to value, for messages of integers and strings."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            fields[key >> 3] = varint()
        else:
            size = varint()
            fields[key >> 3] = data[at:at + size].decode(errors="backslashreplace")
            at += size
    return fields


def any_value(value):
    """An Any as `containers info` prints it, decoded."""
    if not value:
        return value
    url = value.get("type_url", "")
    data = base64.b64decode(value.get("value") or "")
    if url.endswith("runc.v1.Options"):
        return {"type": url, **{RUNC_OPTIONS.get(k, str(k)): v for k, v in protobuf(data).items()}}
    return {"type": url, "value": data.decode(errors="backslashreplace")}


def record(text):
    """The container record: its spec apart, without times."""
    whole = json.loads(text)
    spec = whole.pop("Spec", None)
    for key in ("CreatedAt", "UpdatedAt"):
        whole.pop(key, None)
    for key in ("Extensions", "Labels", "SandboxID"):  # absent, null and empty are the same
        whole[key] = whole.get(key) or None
    whole["Extensions"] = {k: any_value(v) for k, v in (whole["Extensions"] or {}).items()}
    whole["Runtime"]["Options"] = any_value(whole["Runtime"].get("Options"))
    return whole, spec


def snapshot(text):
    whole = json.loads(text)
    return {key: whole.get(key) or None for key in ("Kind", "Name", "Parent", "Labels")}


def runtime_calls(log, container):
    """What the runtime was asked to do to this container, but for paths of the bundle and the order of what ends it."""
    calls = {}
    with open(log, encoding="utf-8", errors="replace") as f:
        lines = [line.rstrip("\n").split("\t") for line in f if line.startswith(container + "\t")]
    for words in lines:
        words, options, verb = words[1:], [], None
        while words:
            word = words.pop(0)
            if word in ("--log", "--log-format", "--bundle", "--pid-file", "--console-socket"):
                words.pop(0)
            elif word == "--root":
                path = words.pop(0)
                if "/ctrd/state" not in path and "/run/" not in path and "/run/containerd/runc" not in path:
                    options.append(f"root={path}")
            elif word.startswith("-"):
                options.append(word)
            elif verb is None:
                verb = word
        if verb in ("create", "run"):
            calls["create"] = sorted(o for o in options if o != "--detach")
    return calls


def message(text, work):
    """Standard error: a bundle is in the one state directory or the other."""
    return re.sub(re.escape(work) + r"/(ctrd/state/io\.containerd\.runtime\.v2\.task|run)/", "<state>/", text)


def output(text):
    """Standard output of a command without process IDs and times; a document as such."""
    if text.startswith("{"):
        return json.loads(text)
    if re.fullmatch(r"[^\s=]+=[^\s,]*(,[^\s=]+=[^\s,]*)+\n", text):  # labels, in any order
        text = ",".join(sorted(text.strip().split(","))) + "\n"
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)?", "<time>", text)
    return "\n".join(re.sub(r" +", " ", re.sub(r"\b\d{3,}\b", "<number>", line)) if re.search(r"\b\d{3,}\b", line) else line
                     for line in text.split("\n"))


# ---- inside ----------------------------------------------------------------------------------------------------------


def mounts(text, work):
    """mountinfo, a line a mount: where, what, options, propagation; numbers and the stores' paths left out."""
    out = []
    for line in text.splitlines():
        left, right = line.split(" - ")
        left, right = left.split(), right.split(" ", 2)
        shared = sorted(re.sub(r":\d+", "", word) for word in left[6:])
        options = sorted(right[2].split(",")) if right[0] != "overlay" else sorted(o.split("=")[0] for o in right[2].split(","))
        root = re.sub(r"\S*" + re.escape(os.path.basename(work)) + r"/(ctrd|run|store)/\S*", "<store>", left[3])
        out.append(" ".join([left[4], right[0], "root=" + root, left[5], ",".join(shared) or "private", right[1], ",".join(options)]))
    return out


def view(text, work):
    """The probe's document; a namespace is "host", or "own"."""
    seen = json.loads(text)
    for key in [k for k in seen if k.startswith("ns ")]:
        seen[key] = "host" if seen[key] == os.readlink("/proc/self/ns/" + key[3:]) else "own"
    # glibc's posix_spawn leaves its two internal signals (32, 33) ignored, make uses it, and containerd's programs pass that on.
    seen["SigIgn"] = f"{int(seen['SigIgn'], 16) & ~(3 << 31):016x}"
    seen["mounts"] = mounts(seen["mounts"], work)
    for key in ("limits", "cgroup"):
        seen[key] = seen[key].splitlines()
    return seen


def lines(value, prefix=""):
    """One line a leaf, so that differences of documents read well."""
    if isinstance(value, dict) and value:
        return [line for key in sorted(value) for line in lines(value[key], f"{prefix}.{key}")]
    if isinstance(value, list) and value and any(isinstance(v, (dict, list)) or len(value) > 6 for v in value):
        return [line for item in value for line in lines(item, prefix + "[]")]
    if isinstance(value, str) and "\n" in value:
        return [f"{prefix}: {part!r}" for part in value.split("\n")]
    return [f"{prefix}: {json.dumps(value, ensure_ascii=False)}"]


def difference(theirs, ours):
    return [line for line in difflib.unified_diff(lines(theirs), lines(ours), "ctr", "coracle", n=0, lineterm="")
            if not line.startswith("@@")]
