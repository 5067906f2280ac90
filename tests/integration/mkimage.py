#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes images for tests: whole, odd and broken ones. No tool of ours or of others has a part in it.

    mkimage.py layout OUT.tar|OUT/ [--layer TAR]... [--compress none|gzip|zstd|xz|bzip2] [--config JSON] [--image-config JSON]
               [--name NAME] [--ref-name REF] [--platform OS/ARCH[/VARIANT]] [--break WHAT] [--nested] [--extra-platform P]...
    mkimage.py docker OUT.tar [--layer TAR]... [--config JSON] [--name REPO:TAG]...
    mkimage.py tree-tar OUT.tar KIND       a layer with every kind of entry, or a hostile one (KIND: see LAYERS)
    mkimage.py tree DIR                    one line per entry of a tree: type, mode, owner, size, mtime, xattrs, content hash
"""
import argparse
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import stat
import subprocess
import sys
import tarfile

OCI = "application/vnd.oci.image."


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- images --------------------------------------------------------------------------------------------------------


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    if how == "xz":
        return lzma.compress(data)
    if how == "bzip2":
        return bz2.compress(data)
    return data


class Layout:
    """An OCI layout in memory: file name -> bytes."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(self, data, media_type, **more):
        digest = sha(data)
        self.files["blobs/sha256/" + digest[7:]] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def json(self, value, media_type, **more):
        return self.blob(json.dumps(value).encode(), media_type, **more)

    def write(self, out):
        if out.endswith("/"):
            for name, data in self.files.items():
                os.makedirs(os.path.dirname(os.path.join(out, name)), exist_ok=True)
                with open(os.path.join(out, name), "wb") as f:
                    f.write(data)
            return
        with tarfile.open(out, "w") as tar:
            for name, data in sorted(self.files.items()):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def platform(text):
    os_name, arch, *variant = text.split("/")
    return {"os": os_name, "architecture": arch, **({"variant": variant[0]} if variant else {})}


def manifest(layout, layers, args, where):
    """One manifest; args.broken damages it in one way."""
    broken, descriptors, diff_ids = args.broken, [], []
    suffix = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}.get(args.compress, "+gzip")
    for data in layers:
        blob = compress(data, args.compress)
        diff_ids.append(sha(data))
        if broken == "truncated-layer":
            blob = blob[: len(blob) // 2]  # whole by its digest, but the stream inside ends early
        descriptor = layout.blob(blob, OCI + "layer.v1.tar" + suffix)
        name = "blobs/sha256/" + descriptor["digest"][7:]
        if broken == "cut-blob":
            layout.files[name] = blob[: len(blob) // 2]
        elif broken == "changed-blob":
            layout.files[name] = blob[:-20] + bytes(b ^ 0xFF for b in blob[-20:])
        elif broken == "missing-layer":
            del layout.files[name]
        elif broken == "layer-digest-syntax":
            descriptor["digest"] = "sha256:../../../../tmp/x"
        elif broken == "layer-size":
            descriptor["size"] += 1
        descriptors.append(descriptor)
    if broken == "diff-id":
        diff_ids = [sha(b"something else")] * len(diff_ids)
    if broken == "diff-id-count":
        diff_ids = diff_ids + diff_ids[:1]
    config = {**where, "config": json.loads(args.config), "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": []}
    config.update(json.loads(args.image_config))
    text = json.dumps(config).encode()
    if broken == "config-json":
        text = text[:-5]
    config_descriptor = layout.blob(text, OCI + "config.v1+json")
    if broken == "missing-config":
        del layout.files["blobs/sha256/" + config_descriptor["digest"][7:]]
    value = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config_descriptor, "layers": descriptors}
    if broken == "hybrid":
        value["manifests"] = [config_descriptor]
    data = json.dumps(value).encode()
    if broken == "duplicate-keys":
        data = data[:-1] + b', "layers": []}'
    return layout.blob(data, OCI + "manifest.v1+json")


def make_layout(args):
    layout, layers = Layout(), []
    for name in args.layer:
        with open(name, "rb") as f:
            layers.append(f.read())
    where = platform(args.platform)
    target = manifest(layout, layers, args, where)
    if args.broken == "missing-manifest":
        del layout.files["blobs/sha256/" + target["digest"][7:]]
    if args.extra_platform or args.nested:
        entries = [{**target, "platform": where}]
        for other in args.extra_platform:
            # Only named: the blobs of other platforms are not in the archive.
            absent = sha(other.encode())
            entries.insert(0, {"mediaType": OCI + "manifest.v1+json", "digest": absent, "size": 123,
                               "platform": platform(other)})
        target = layout.json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}, OCI + "index.v1+json")
    if args.nested:
        target = layout.json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [target]},
                             OCI + "index.v1+json")
    annotations = {}
    if args.name:
        annotations["io.containerd.image.name"] = args.name[0]
    if args.ref_name:
        annotations["org.opencontainers.image.ref.name"] = args.ref_name
    index = {"schemaVersion": 2, "manifests": [{**target, "annotations": annotations}]}
    text = json.dumps(index).encode()
    if args.broken == "index-json":
        text = text[:-3]
    layout.files["index.json"] = text
    if args.broken == "no-layout-file":
        del layout.files["oci-layout"], layout.files["index.json"]
    layout.write(args.out)
    print(target["digest"])


def make_docker(args):
    layout, names = Layout(), []
    layout.files.clear()
    diff_ids = []
    for name in args.layer:
        with open(name, "rb") as f:
            data = f.read()
        diff_ids.append(sha(data))
        names.append(sha(data)[7:] + "/layer.tar")
        layout.files[names[-1]] = data
    config = {**platform(args.platform), "config": json.loads(args.config), "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    text = json.dumps(config).encode()
    config_name = sha(text)[7:] + ".json"
    layout.files[config_name] = text
    layout.files["manifest.json"] = json.dumps([{"Config": config_name, "RepoTags": args.name, "Layers": names}]).encode()
    layout.write(args.out)


# ---- layers --------------------------------------------------------------------------------------------------------


class Layer:
    def __init__(self):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=None, uid=0, gid=0, mtime=1600000000, link="", dev=None, pax=None):
        info = tarfile.TarInfo(name)
        info.type, info.uid, info.gid, info.mtime, info.linkname = kind, uid, gid, mtime, link
        info.mode = mode if mode is not None else (0o755 if kind == tarfile.DIRTYPE else 0o644)
        if dev:
            info.devmajor, info.devminor = dev
        if pax:
            info.pax_headers = pax
        if kind == tarfile.REGTYPE:
            info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
        return self

    def dir(self, name, **more):
        return self.add(name, tarfile.DIRTYPE, **more)

    def symlink(self, name, target, **more):
        return self.add(name, tarfile.SYMTYPE, link=target, **more)

    def hardlink(self, name, target, **more):
        return self.add(name, tarfile.LNKTYPE, link=target, **more)

    def raw(self, data):
        self.out.write(data)
        self.tar.offset += len(data)
        return self

    def done(self):
        self.tar.close()
        return self.out.getvalue()


def sparse_entries(*forms):
    """GNU tar makes it, since Python does not write sparse files."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "sparse"), "wb") as f:
            f.write(b"head")
            f.seek(5 << 20)
            f.write(b"middle")
            f.truncate(9 << 20)
        os.utime(os.path.join(folder, "sparse"), (1600000000, 1600000000))
        return [subprocess.run(["tar", "-S", "-c", "--owner=0", "--group=0", "-b", "1", "-C", folder, "--format=" + form, "--transform",
                                f"s/sparse/sparse-{form}/", "sparse"], stdout=subprocess.PIPE, check=True).stdout[:-1024]
                for form in forms]


def every_kind():
    layer = Layer()
    layer.dir("./", mode=0o755, mtime=1500000001)
    layer.dir("dir", mode=0o1777, mtime=1500000002).dir("dir/sub", mode=0o2750, uid=7, gid=8)
    layer.add("dir/plain", data=b"plain\n", mode=0o640, uid=1234, gid=4321)
    layer.add("dir/empty", mode=0o000)
    layer.add("dir/setuid", data=b"x", mode=0o6755, uid=33, gid=33)
    layer.add("dir/nano", data=b"n", pax={"mtime": "1600000000.123456789"})
    layer.add("dir/old", data=b"o", mtime=1)
    layer.add("dir/future", data=b"f", pax={"mtime": "4294967299.5"})
    layer.add("dir/caps", data=b"c", mode=0o755, pax={
        "SCHILY.xattr.security.capability": b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".decode("latin1")})
    layer.add("dir/userattr", data=b"u", pax={"SCHILY.xattr.user.color": "blue"})
    layer.dir("dir/attrdir", pax={"SCHILY.xattr.user.kind": "directory"})
    layer.add("dir/big-ids", data=b"b", uid=4000000, gid=4000001)
    layer.symlink("dir/link", "plain").symlink("dir/dangling", "/nowhere/at/all").symlink("dir/linkdir", "sub", uid=5, gid=6)
    layer.hardlink("dir/hard", "dir/plain").hardlink("dir/hardsym", "dir/link")
    layer.add("dir/fifo", tarfile.FIFOTYPE, mode=0o600)
    layer.add("dir/null", tarfile.CHRTYPE, mode=0o666, dev=(1, 3)).add("dir/block", tarfile.BLKTYPE, mode=0o660, gid=6, dev=(7, 300))
    layer.add("dir/" + "n" * 200, data=b"long name")
    deep = "/".join(["deep"] + ["d" * 60] * 6)
    layer.add(deep + "/file", data=b"no directory entries before me")
    layer.symlink("dir/longlink", "/".join(["t" * 50] * 6))
    layer.add("dir/sp ace\ttab", data=b"s").add("dir/caf\u00e9", data=b"nfc").add("dir/cafe\u0301", data=b"nfd")
    layer.add("dir/trailing.", data=b"t")
    layer.add("dir/replaced", data=b"first").add("dir/replaced", data=b"second")
    layer.dir("dir/becomes-file").add("dir/becomes-file", data=b"now a file")
    layer.add("dir/becomes-dir", data=b"file").dir("dir/becomes-dir").add("dir/becomes-dir/x", data=b"x")
    for piece in sparse_entries("pax"):  # umoci does not know the old GNU form: the layer "sparse" has both
        layer.raw(piece)
    layer.add("gone", data=b"1").dir("opaque").add("opaque/low", data=b"l").dir("opaque/lowdir").add("opaque/lowdir/f", data=b"f")
    layer.dir("keep").add("keep/one", data=b"1").add("keep/two", data=b"2")
    return layer.done()


def sparse():
    layer = Layer().add("before", data=b"b")
    for piece in sparse_entries("gnu", "pax"):
        layer.raw(piece)
    return layer.add("after", data=b"a").done()


def every_kind_upper():
    layer = Layer()
    layer.add(".wh.gone").add("keep/.wh.one")
    layer.dir("opaque").add("opaque/.wh..wh..opq").add("opaque/high", data=b"h")
    layer.dir("dir/sub", mode=0o700, uid=1, gid=1)
    layer.hardlink("dir/hard-to-lower", "dir/setuid")
    layer.add("dir/plain", data=b"replaced above\n", mode=0o600)
    return layer.done()


def pax_size_mismatch():
    """ustar says 0 bytes, PAX says 1024: one reader sees the archive inside, another does not."""
    inner = Layer().add("smuggled", data=b"x").done()[:1024]
    layer = Layer().add("before", data=b"b")
    layer.add("outer", pax={"size": "1024"})
    return layer.raw(inner).add("after", data=b"a").done()


def header(name, size_field, kind=b"0", extra=b""):
    """One raw header with a chosen size field; extra: bytes from offset 257 on."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148] = size_field, b"00000000000\0"
    block[156:157] = kind
    block[257 : 257 + (len(extra) or 8)] = extra or b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def negative_size():
    return Layer().add("ok", data=b"x").raw(header(b"neg", b"\xff" * 12)).raw(b"\0" * 1024).done()


def huge_size():
    return Layer().raw(header(b"huge", b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7)).raw(b"\0" * 1024).done()


def long_name_bomb():
    """A GNU long name that announces 8 GiB."""
    return Layer().raw(header(b"././@LongLink", b"77777777777\0", b"L", b"ustar  \0")).raw(b"a" * 4096).done()


def sparse_bomb():
    """An old GNU sparse map whose entries overlap and run backwards."""
    extra = bytearray(255)
    extra[0:8] = b"ustar  \0"
    sparse = b"".join(b"%011o\0%011o\0" % (offset, 512) for offset in (8 << 20, 0, 4 << 20, 4 << 20))
    extra[386 - 257 : 386 - 257 + len(sparse)] = sparse
    extra[483 - 257 : 495 - 257] = b"%011o\0" % 1024
    return Layer().raw(header(b"sparse", b"%011o\0" % 2048, b"S", bytes(extra[:243]))).raw(b"s" * 2048).done()


def bad_pax():
    body = b"999999999999 path=x\n"
    layer = Layer().raw(header(b"PaxHeaders/x", b"%011o\0" % len(body), b"x")).raw(body.ljust(512, b"\0"))
    return layer.add("x", data=b"x").done()


def bad_checksum():
    data = bytearray(Layer().add("a", data=b"a").add("b", data=b"b").done())
    data[1024] ^= 0x55
    return bytes(data)


def deep_path():
    return Layer().add("/".join(["d"] * 3000), data=b"deep").done()


# name -> function that gives the layer's bytes. CANARY in link targets is replaced by the test's canary directory.
def hostile(canary):
    up = "../" * 12 + canary.lstrip("/")
    L = Layer
    return {
        "parent-symlink": lambda: L().dir("foo").symlink("foo", canary).add("foo/owned", data=b"x").done(),
        "parent-symlink-relative": lambda: L().symlink("foo", up).add("foo/owned", data=b"x").done(),
        "parent-replaced": lambda: L().dir("foo").add("foo/a", data=b"a").symlink("foo", canary).dir("foo/made").done(),
        "root-symlink": lambda: L().symlink("/.", canary).add("owned", data=b"x").done(),
        "root-symlink-dot": lambda: L().symlink("./", canary).add("owned", data=b"x").done(),
        "root-file": lambda: L().add(".", data=b"x").add("owned", data=b"x").done(),
        "dot-dot": lambda: L().add(up + "/owned", data=b"x").done(),
        "absolute": lambda: L().add(canary + "/owned", data=b"x").done(),
        "hardlink-outward": lambda: L().hardlink("h", up + "/file", mode=0o777).done(),
        "hardlink-absolute": lambda: L().hardlink("h", canary + "/file", mode=0o777).done(),
        "hardlink-through-symlink": lambda: L().symlink("s", canary).hardlink("h", "s/file", mode=0o777).add("h", data=b"x").done(),
        "link-then-chmod": lambda: L().symlink("s", canary + "/file").hardlink("h", "s", mode=0o4777, uid=1000, gid=1000).done(),
        "symlink-then-file": lambda: L().symlink("s", canary + "/file").add("s", data=b"x", mode=0o777).done(),
        "symlink-then-dir": lambda: L().symlink("s", canary).dir("s", mode=0o777, uid=1000).done(),
        "whiteout-dot-dot": lambda: L().dir("a").add("a/.wh...", data=b"").done(),
        "whiteout-dot": lambda: L().dir("a").add("a/.wh..", data=b"").done(),
        "whiteout-empty": lambda: L().dir("a").add("a/.wh.", data=b"").done(),
        "whiteout-through-symlink": lambda: L().symlink("s", canary).add("s/.wh.file").done(),
        "opaque-through-symlink": lambda: L().symlink("s", canary).add("s/.wh..wh..opq").done(),
        "opaque-late": lambda: L().add("d/high", data=b"h").dir("d/sub").add("d/sub/x", data=b"x").add("d/.wh..wh..opq").done(),
        "opaque-first": lambda: L().add("d/.wh..wh..opq").add("d/high", data=b"h").dir("d/sub").add("d/sub/x", data=b"x").done(),
        "overlay-redirect": lambda: L().dir("d", pax={"SCHILY.xattr.trusted.overlay.redirect": "/secret",
                                                      "SCHILY.xattr.user.overlay.redirect": "/secret"}).done(),
        "overlay-opaque": lambda: L().dir("d", pax={"SCHILY.xattr.trusted.overlay.opaque": "y",
                                                    "SCHILY.xattr.user.overlay.opaque": "y"}).done(),
        "overlay-metacopy": lambda: L().add("d/f", data=b"", pax={"SCHILY.xattr.trusted.overlay.metacopy": ""}).done(),
        "device-whiteout": lambda: L().add("d/low", tarfile.CHRTYPE, dev=(0, 0)).done(),
        "lower": lambda: L().dir("d").add("d/low", data=b"low").dir("secret").add("secret/s", data=b"s").done(),
        "pax-size-mismatch": pax_size_mismatch,
        "negative-size": negative_size,
        "huge-size": huge_size,
        "long-name-bomb": long_name_bomb,
        "sparse-bomb": sparse_bomb,
        "bad-pax": bad_pax,
        "bad-checksum": bad_checksum,
        "deep-path": deep_path,
        "huge-device": lambda: L().raw(header(b"dev", b"00000000000\0", b"3",
                                              b"ustar\x0000" + b"\0" * 64 + b"7777777\x007777777\0")).done(),
        "not-a-tar": lambda: b"this is no tar archive " * 100,
        "sparse": sparse,
        "every-kind": every_kind,
        "every-kind-upper": every_kind_upper,
        "passwd-fifo": lambda: L().dir("etc").add("etc/passwd", tarfile.FIFOTYPE).done(),
        "passwd-outward": lambda: L().dir("etc").symlink("etc/passwd", "../../../../.." + canary + "/passwd").done(),
        "passwd-absolute-in-root": lambda: L().dir("etc").dir("data").symlink("etc/passwd", "/data/passwd").add(
            "data/passwd", data=b"root:x:0:0::/:/bin/sh\ninner:x:4242:4243::/:/bin/sh\n").done(),
        "passwd-loop": lambda: L().dir("etc").symlink("etc/passwd", "passwd2").symlink("etc/passwd2", "passwd").done(),
        "passwd-huge": lambda: L().dir("etc").add("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n" * 600000).done(),
        "passwd-device": lambda: L().dir("etc").add("etc/passwd", tarfile.CHRTYPE, dev=(1, 5)).done(),
        "passwd-numeric-name": lambda: L().dir("etc").add("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n"
                                                          b"2147483648:x:0:0::/:/bin/sh\n-1000:x:0:0::/:/bin/sh\n").done(),
        "etc-outward": lambda: L().symlink("etc", canary).done(),
        "workdir-outward": lambda: L().symlink("work", canary).done(),
    }


# ---- trees ---------------------------------------------------------------------------------------------------------

KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p",
         stat.S_IFSOCK: "s"}


def describe(path, name, names_of):
    st = os.lstat(path)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    parts = [name.decode("utf-8", "backslashreplace"), kind, oct(stat.S_IMODE(st.st_mode)), f"{st.st_uid}:{st.st_gid}"]
    if kind == "f":
        digest = hashlib.sha256()
        with open(path, "rb") as f:
            for piece in iter(lambda: f.read(1 << 20), b""):
                digest.update(piece)
        parts += [str(st.st_size), digest.hexdigest()[:16]]
    elif kind == "l":
        parts.append("-> " + os.readlink(path).decode("utf-8", "backslashreplace"))
    elif kind in "cb":
        parts.append(f"{os.major(st.st_rdev)},{os.minor(st.st_rdev)}")
    parts.append(f"@{st.st_mtime_ns}")
    # By the names in this tree: overlayfs counts links of hidden names as well.
    same = names_of[(st.st_dev, st.st_ino)]
    if kind != "d" and len(same) > 1:
        parts.append("same as " + min(same).decode("utf-8", "backslashreplace"))
    for attr in sorted(os.listxattr(path, follow_symlinks=False)):
        parts.append(f"{attr}={os.getxattr(path, attr, follow_symlinks=False).hex()}")
    return " ".join(parts)


def show_tree(top):
    top, names, names_of = os.fsencode(top), [b"."], {}
    for folder, dirs, files in os.walk(top):
        for name in dirs + files:
            names.append(os.path.relpath(os.path.join(folder, name), top))
    for name in names:
        st = os.lstat(os.path.join(top, name))
        names_of.setdefault((st.st_dev, st.st_ino), []).append(name)
    for name in sorted(names):
        print(describe(os.path.join(top, name), name, names_of))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("layout", "docker"):
        sub = commands.add_parser(name)
        sub.add_argument("out")
        sub.add_argument("--layer", action="append", default=[])
        sub.add_argument("--compress", default="gzip")
        sub.add_argument("--config", default="{}")
        sub.add_argument("--image-config", default="{}")
        sub.add_argument("--name", action="append", default=[])
        sub.add_argument("--ref-name")
        sub.add_argument("--platform", default="linux/amd64")
        sub.add_argument("--extra-platform", action="append", default=[])
        sub.add_argument("--nested", action="store_true")
        sub.add_argument("--break", dest="broken")
    sub = commands.add_parser("tree-tar")
    sub.add_argument("out")
    sub.add_argument("kind")
    sub.add_argument("--canary", default="/nowhere")
    commands.add_parser("tree").add_argument("dir")
    args = parser.parse_args()
    if args.command == "layout":
        make_layout(args)
    elif args.command == "docker":
        make_docker(args)
    elif args.command == "tree-tar":
        with open(args.out, "wb") as f:
            f.write(hostile(args.canary)[args.kind]())
    else:
        show_tree(args.dir)


if __name__ == "__main__":
    sys.exit(main())
