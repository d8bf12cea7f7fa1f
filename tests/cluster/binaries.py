"""The programs that a cluster is made of: found where they are, or built once into .cache/."""

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
# Kubernetes' own promise: kubectl works with an API server one minor version off.
MINOR = 34
# Cold, on two busy cores: the control plane takes an hour.
BUILD_SECONDS = 3 * 3600
DEBIAN = "containerd runc containernetworking-plugins busybox-static nftables iproute2 conntrack"


class Missing(RuntimeError):
    """A program that is needed is not there, and can't be made."""


def sha256(file):
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def made_once(file, wanted, make):
    """`file` as `make(path)` makes it, unless it was made of exactly what is `wanted`. Callers at once wait for the first."""
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
    """Says what the file was made of."""
    return file.with_name(f"{file.name}.stamp")


def has_controlplane():
    """Whether there is a control plane without an hour's build. One that OUTRIGGER_CONTROLPLANE names counts even if it
    can't be used: whoever names one wants its tests to run, and to fail if they can't."""
    if os.environ.get("OUTRIGGER_CONTROLPLANE"):
        return True
    file = controlplane_file()
    made_of = stamp(file).read_text() if file.exists() and stamp(file).exists() else ""
    return made_of.startswith("given: ") or made_of == sources(CONTROLPLANE_MODULE)


def controlplane_file():
    return CACHE / "controlplane" / "controlplane"


def controlplane():
    """etcd and Kubernetes' daemons, one binary: from OUTRIGGER_CONTROLPLANE, or built from controlplane/."""
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
                raise Missing(f"{packed} is not what {sums} says")

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
    """kubectl on the PATH if it is close enough to the cluster's version, else built from tools/."""
    if found := shutil.which("kubectl"):
        command = [found, "version", "--client", "--output=json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        told = re.search(r'"minor": *"(\d+)', done.stdout)
        if told and abs(int(told[1]) - MINOR) <= 1:
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
    """A hash of all that a Go program is built from, the compiler aside."""
    files = sorted(file for file in module.rglob("*") if file.suffix in (".go", ".mod", ".sum"))
    return hashlib.sha256("".join(f"{file.relative_to(module)} {sha256(file)}\n" for file in files).encode()).hexdigest()


def flags(version):
    """What says which Kubernetes it is: without, a daemon calls itself v0.0.0 and its peers refuse it."""
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
    """A binary of this repository: OUTRIGGER_OPERATOR or OUTRIGGER_SIDECAR, or what cargo built last."""
    if named := os.environ.get(name.upper().replace("-", "_")):
        return Path(named)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [found for profile in ("dist", "release", "profiling", "debug") if (found := target / profile / name).exists()]
    if not built:
        raise Missing(f"no {name}: cargo build -p {name}")
    return max(built, key=lambda found: found.stat().st_mtime)
