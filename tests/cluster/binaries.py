"""The programs of a cluster: existing ones, or built once into .cache/."""

import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
from pathlib import Path

from gateway import REPOSITORY

HERE = Path(__file__).resolve().parent
CACHE = REPOSITORY / ".cache"
CONTROLPLANE_MODULE = HERE / "controlplane"
# Kubernetes supports kubectl one minor version off the API server.
MINOR = 34
# A first build of the control plane takes an hour on two busy cores.
BUILD_SECONDS = 3 * 3600
DEBIAN = "containerd runc containernetworking-plugins busybox-static nftables iproute2 conntrack"


class Missing(RuntimeError):
    """A required program is missing and can't be built."""


def sha256(file):
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def made_once(file, wanted, make):
    """Creates `file` with `make(path)`, unless it was made from exactly `wanted`. Concurrent callers wait for the first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_name(f"{file.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (file.exists() and stamp(file).exists() and stamp(file).read_text() == wanted):
            new = file.with_name(f"{file.name}.new")
            make(new)
            new.chmod(0o755)
            new.rename(file)
            stamp(file).write_text(wanted)
    return file


def stamp(file):
    """The record of what the file was made from."""
    return file.with_name(f"{file.name}.stamp")


def has_controlplane():
    """Whether a control plane is available without an hour's build. One that OUTRIGGER_CONTROLPLANE names counts
    even if it is unusable: then the tests must run and fail."""
    if os.environ.get("OUTRIGGER_CONTROLPLANE"):
        return True
    file = controlplane_file()
    made_of = stamp(file).read_text() if file.exists() and stamp(file).exists() else ""
    return made_of.startswith("given: ") or made_of == sources(CONTROLPLANE_MODULE)


def controlplane_file():
    return CACHE / "controlplane" / "controlplane"


def controlplane():
    """etcd and the Kubernetes daemons in one binary: from OUTRIGGER_CONTROLPLANE, or built from
    controlplane/."""
    file = controlplane_file()
    if named := os.environ.get("OUTRIGGER_CONTROLPLANE"):
        packed, sums = Path(named) / "controlplane.xz", Path(named) / "controlplane.sha256"
        if not packed.exists() or not sums.exists():
            raise Missing(f"OUTRIGGER_CONTROLPLANE: {named} has no controlplane.xz and controlplane.sha256")
        wanted = sums.read_text().split()[0]

        def unpack(new):
            with lzma.open(packed) as source, open(new, "wb") as to:
                shutil.copyfileobj(source, to, 1 << 20)
            if sha256(new) != wanted:
                raise Missing(f"{packed} does not match {sums}")

        return made_once(file, f"given: {wanted}", unpack)
    if file.exists() and stamp(file).exists() and stamp(file).read_text().startswith("given: "):
        return file

    module = CONTROLPLANE_MODULE

    def build(new):
        print("building etcd and Kubernetes' daemons, once: this takes half an hour and more, and 4 GB", flush=True)
        required = json.loads(go(module, "mod", "edit", "-json"))["Require"]
        version = next(one["Version"] for one in required if one["Path"] == "k8s.io/kubernetes")
        go(module, "build", *flags(version), "-o", new, ".")

    return made_once(file, sources(module), build)


def kubectl():
    """kubectl on the PATH if its version is close enough to the cluster's, otherwise built from tools/."""
    if found := shutil.which("kubectl"):
        command = [found, "version", "--client", "--output=json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        version = re.search(r'"minor": *"(\d+)', done.stdout)
        if version and abs(int(version[1]) - MINOR) <= 1:
            return Path(found)
    return tool("kubectl", "./kubectl")


def helm():
    return tool("helm", "helm.sh/helm/v3/cmd/helm")


def tool(name, package):
    module = HERE / "tools"

    def build(new):
        print(f"building {name}, once: two minutes", flush=True)
        required = json.loads(go(module, "mod", "edit", "-json"))["Require"]
        version = next(one["Version"] for one in required if one["Path"] == "k8s.io/kubectl")
        go(module, "build", *flags(version.replace("v0.", "v1.")), "-o", new, package)

    return made_once(CACHE / "bin" / name, sources(module), build)


def sources(module):
    """A hash of all sources of a Go program, without the compiler."""
    files = sorted(file for file in module.rglob("*") if file.suffix in (".go", ".mod", ".sum"))
    return hashlib.sha256("".join(f"{file.relative_to(module)} {sha256(file)}\n" for file in files).encode()).hexdigest()


def flags(version):
    """The flags that set the Kubernetes version. Without them, a daemon reports v0.0.0 and its peers refuse
    it."""
    minor = version.split(".")[1]
    names = {"gitVersion": version, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    linked = [f"-X {package}.{name}={value}" for package in packages for name, value in names.items()]
    return ["-mod=readonly", "-trimpath", "-ldflags", " ".join(["-s", "-w", *linked])]


def go(module, *arguments):
    if not shutil.which("go"):
        raise Missing("Go is needed to build the control plane and its tools, once: see https://go.dev/doc/install")
    env = os.environ | {"CGO_ENABLED": "0"}
    command = ["go", *map(str, arguments)]
    done = subprocess.run(command, cwd=module, env=env, stdout=subprocess.PIPE, text=True, timeout=BUILD_SECONDS)
    if done.returncode:
        raise Missing(f"{' '.join(command[:2])} failed in {module}")
    return done.stdout


def outrigger(name):
    """A binary of this repository: OUTRIGGER_OPERATOR or OUTRIGGER_SIDECAR, or cargo's latest build."""
    if named := os.environ.get(name.upper().replace("-", "_")):
        return Path(named)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [found for profile in ("dist", "release", "profiling", "debug") if (found := target / profile / name).exists()]
    if not built:
        raise Missing(f"no {name}: cargo build -p {name}")
    return max(built, key=lambda found: found.stat().st_mtime)
