#!/usr/bin/env python3
"""A container image from files of this machine, without an engine: an OCI archive that is also one of Docker's.

    scripts/image.py --name outrigger-sidecar:0.1.0 --output sidecar.tar \\
        --file target/dist/outrigger-sidecar:/outrigger-sidecar --libraries \\
        --entrypoint /outrigger-sidecar --user 65532:65532

The same files make the same archive, byte for byte: no times, no owners, everything sorted. `podman load`, `docker load`,
`skopeo copy oci-archive:…` and `ctr images import` take it. What is published is built from the Containerfiles; this is
for where no engine is, such as the tests' cluster.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
EPOCH = "1970-01-01T00:00:00Z"


def libraries(files):
    """The shared libraries that programs and libraries need, and the loader, by the paths at which they look for
    them."""
    found = {}
    for file in files:
        done = subprocess.run(["ldd", file], capture_output=True, text=True, timeout=60)
        for line in done.stdout.splitlines():
            if "not found" in line:
                raise FileNotFoundError(f"{file}: {line.strip()}")
            # `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`
            if path := re.search(r"(/\S+) \(0x", line):
                found[path[1]] = Path(path[1])
    return found


class Layer:
    """The content of the image's root: path in the image -> a file's source, its content, or a link's
    target."""

    def __init__(self):
        self.entries = {}

    def add(self, path, source, mode=None, dated=False):
        """Adds a file. `dated` keeps its modification time."""
        self.entries[path.strip("/")] = ("dated" if dated else "file", Path(source), mode)

    def write(self, path, content, mode=0o644):
        self.entries[path.strip("/")] = ("content", content, mode)

    def link(self, path, target):
        self.entries[path.strip("/")] = ("link", target, None)

    def folder(self, path, mode=0o755):
        self.entries[path.strip("/")] = ("folder", None, mode)

    def tree(self, path, source, leave_out=(), dated=False):
        """Adds a folder with everything in it. Links stay links."""
        for inner, folders, files in os.walk(source):
            folders[:] = [name for name in folders if name not in leave_out]
            for name in [*files, *(name for name in folders if (Path(inner) / name).is_symlink())]:
                file = Path(inner) / name
                to = f"{path}/{file.relative_to(source)}"
                if file.is_symlink():
                    self.link(to, os.readlink(file))
                elif file.is_file() and name not in leave_out:
                    self.add(to, file, dated=dated)

    def libraries(self):
        """Adds the system libraries that the programs and libraries in the layer need."""
        programs = [source for kind, source, _ in self.entries.values() if kind in ("file", "dated") and is_elf(source)]
        for path, source in libraries(programs).items():
            self.entries.setdefault(path.strip("/"), ("file", source, 0o755))

    def chunks(self):
        """The archive in pieces, so that it is never in memory or on disk as a whole."""
        folders = {str(parent) for path in self.entries for parent in Path(path).parents} - {"."}
        for path in folders:
            self.entries.setdefault(path, ("folder", None, 0o755))
        size = 0
        for path, (kind, given, mode) in sorted(self.entries.items()):
            for chunk in entry(path, kind, given, mode):
                size += len(chunk)
                yield chunk
        yield bytes(2 * tarfile.BLOCKSIZE + -(size + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE)


def entry(path, kind, given, mode):
    """One entry of an archive: header, content and padding."""
    info, content = tarfile.TarInfo(path), ()
    if kind == "folder":
        info.type, info.mode = tarfile.DIRTYPE, mode
    elif kind == "link":
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, given, 0o777
    elif kind == "content":
        info.size, info.mode, content = len(given), mode, (given,)
    elif kind == "layer":
        info.size, info.mode, content = given.size, mode, given.layer.chunks()
    else:
        found = given.stat()
        info.size, info.mode, content = found.st_size, mode or (0o755 if found.st_mode & 0o111 else 0o644), pieces(given)
        info.mtime = int(found.st_mtime) if kind == "dated" else 0
    yield info.tobuf(tarfile.GNU_FORMAT)
    written = 0
    for piece in content:
        written += len(piece)
        yield piece
    if written != info.size:
        raise RuntimeError(f"{path} was {info.size} bytes long and is {written} now")
    yield bytes(-written % tarfile.BLOCKSIZE)


def pieces(file):
    with open(file, "rb") as content:
        while piece := content.read(1 << 20):
            yield piece


class Measured:
    """A layer with the digest and size of its archive."""

    def __init__(self, layer):
        self.layer, self.size, digest = layer, 0, hashlib.sha256()
        for chunk in layer.chunks():
            self.size += len(chunk)
            digest.update(chunk)
        self.digest = digest.hexdigest()


def is_elf(file):
    with open(file, "rb") as content:
        return content.read(4) == b"\x7fELF"


def image(to, name, layer, config, architecture=None):
    """Writes the archive to an open file, which need not be a file on disk. `config` is the image's own: Entrypoint, Cmd,
    Env, User, WorkingDir, Labels."""
    layer = Measured(layer)
    config_text = text({
        "architecture": architecture or ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": EPOCH,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}"]},
        "history": [{"created": EPOCH, "created_by": "scripts/image.py"}],
    })
    config_digest = hashlib.sha256(config_text).hexdigest()
    oci = "application/vnd.oci.image"
    manifest_text = text({
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": descriptor(f"{oci}.config.v1+json", config_digest, len(config_text)),
        "layers": [descriptor(f"{oci}.layer.v1.tar", layer.digest, layer.size)],
    })
    manifest_digest = hashlib.sha256(manifest_text).hexdigest()
    named = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = descriptor(f"{oci}.manifest.v1+json", manifest_digest, len(manifest_text)) | {"annotations": named}
    blobs = "blobs/sha256"
    entries = {
        "oci-layout": text({"imageLayoutVersion": "1.0.0"}),
        "index.json": text({"schemaVersion": 2, "mediaType": f"{oci}.index.v1+json", "manifests": [index]}),
        # Docker's own format: the same blobs with another manifest.
        "manifest.json": text([
            {"Config": f"{blobs}/{config_digest}", "RepoTags": [name], "Layers": [f"{blobs}/{layer.digest}"]}
        ]),
        f"{blobs}/{config_digest}": config_text,
        f"{blobs}/{manifest_digest}": manifest_text,
    }
    archive = Layer()
    for path, content in entries.items():
        archive.write(path, content)
    archive.entries[f"{blobs}/{layer.digest}"] = ("layer", layer, 0o644)
    for chunk in archive.chunks():
        to.write(chunk)
    return f"sha256:{manifest_digest}"


def text(content):
    return json.dumps(content, separators=(",", ":")).encode()


def descriptor(media_type, digest, size):
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="the image's name, with its tag")
    parser.add_argument("--output", required=True, type=Path, help="the archive to write")
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE:PATH", help="a file, and its path in the image")
    parser.add_argument("--libraries", action="store_true", help="with the shared objects that the files need")
    parser.add_argument("--entrypoint", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--user", default="65532:65532", help="a number, so that Kubernetes can see that it is not root")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES.values()), help="default: this machine's")
    arguments = parser.parse_args()
    layer = Layer()
    for file in arguments.file:
        source, _, path = file.partition(":")
        layer.add(path, source)
    if arguments.libraries:
        layer.libraries()
    layer.folder("/tmp", 0o1777)
    config = {"User": arguments.user, "WorkingDir": "/", "Env": ["PATH=/", *arguments.env]}
    config |= {"Entrypoint": arguments.entrypoint} if arguments.entrypoint else {}
    config |= {"Labels": dict(label.split("=", 1) for label in arguments.label)} if arguments.label else {}
    output = arguments.output
    new = output.with_name(f"{output.name}.new")
    try:
        with open(new, "wb") as to:
            digest = image(to, arguments.name, layer, config, arguments.architecture)
        new.rename(output)
    finally:
        new.unlink(missing_ok=True)
    print(digest)


if __name__ == "__main__":
    main()
