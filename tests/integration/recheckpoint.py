#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""recheckpoint.py IN OUT NAME KIND: an exported checkpoint image with criu's tar spoilt in the way that KIND names."""
import hashlib
import io
import json
import sys
import tarfile

CRIU = "application/vnd.containerd.container.criu.checkpoint.criu.tar"


def plain(name, data, **more):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in more.items():
        setattr(member, key, value)
    return member, data


def spoil(old, kind):
    members = []
    with tarfile.open(fileobj=io.BytesIO(old)) as tar:
        for member in tar:
            members.append((member, tar.extractfile(member).read() if member.isfile() else b""))
    if kind == "symlink":
        members.insert(0, plain("out", b"", type=tarfile.SYMTYPE, linkname="/"))
    elif kind == "hardlink":
        members.insert(0, plain("link", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"))
    elif kind == "traversal":
        members.insert(0, plain("../../../canary", b"hit"))
    elif kind == "absolute":
        members.insert(0, plain("/tmp/canary", b"hit"))
    elif kind == "device":
        members.insert(0, plain("null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3))
    elif kind == "subdirectory":
        members.insert(0, plain("a", b"", type=tarfile.DIRTYPE))
    elif kind == "twice":
        members.append(members[-1])
    elif kind == "garbage":
        members = [(m, data if m.name.endswith(".json") else b"\xff" * len(data)) for m, data in members]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data) if data else None)
    return out.getvalue()[: len(out.getvalue()) // 2] if kind == "truncated" else out.getvalue()


def main():
    source, target, name, kind = sys.argv[1:]
    with tarfile.open(source) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        files["blobs/sha256/" + digest] = data
        return {"digest": "sha256:" + digest, "size": len(data)}

    top = json.loads(files["index.json"])
    entry = top["manifests"][0]
    index = json.loads(files["blobs/sha256/" + entry["digest"].split(":")[1]])
    for child in index["manifests"]:
        if child["mediaType"] == CRIU:
            child.update(blob(spoil(files["blobs/sha256/" + child["digest"].split(":")[1]], kind)))
    entry.update(blob(json.dumps(index).encode()))
    entry["annotations"] = {"io.containerd.image.name": name}
    files["index.json"] = json.dumps(top).encode()
    with tarfile.open(target, "w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


main()
