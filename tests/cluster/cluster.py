#!/usr/bin/env python3
"""A Kubernetes with Outrigger on this machine, to try things: `make cluster`, `make demo`, `make cluster-down`;
and the control plane for it and the tests: `make control-plane`."""

import hashlib
import os
import subprocess
import sys

import binaries
import installation
import runs
import walk
from gateway import REPOSITORY
from node import NodeCluster

# Each checkout has its own cluster.
NAME = f"cluster-{hashlib.sha256(str(REPOSITORY).encode()).hexdigest()[:6]}"
FOLDER = runs.ROOT / NAME
KUBECONFIG = binaries.CACHE / "cluster" / "kubeconfig"


def up():
    """Creates a cluster with Outrigger in it."""
    # Checked first, with its own message, because everything else needs it.
    if os.geteuid() != 0:
        raise PermissionError("a node needs root: sudo, or a shell of root's")
    if FOLDER.exists():
        print("The previous cluster has lost processes, for example by a restart of this machine. Creating a new one.")
        down()
    print("starting Kubernetes (half a minute)", flush=True)
    cluster = NodeCluster(NAME, bound=False)
    cluster.__enter__()
    try:
        print("installing the chart, with images built here (a minute)", flush=True)
        installation.install(cluster)
    except BaseException:
        print(f"logs: {cluster.down(keep_logs=True)}")
        raise
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.write_text(cluster.kubeconfig.read_text())
    return cluster


def there():
    """The cluster of an earlier call."""
    cluster = NodeCluster(NAME, bound=False)
    cluster.folder, cluster.kubeconfig = FOLDER, KUBECONFIG
    cluster.kubectl_binary = binaries.kubectl()
    return cluster


def down():
    """Stops the cluster. Returns whether there was one."""
    KUBECONFIG.unlink(missing_ok=True)
    if not FOLDER.exists():
        return False
    runs.remove(FOLDER)
    return True


def is_up():
    return KUBECONFIG.exists() and runs.is_alive(FOLDER)


def summary():
    return f"""To use it:

  export KUBECONFIG={KUBECONFIG} PATH={binaries.CACHE / "bin"}:$PATH
  kubectl get llm,pods -n {walk.NAMESPACE}
  kubectl logs -n {walk.NAMESPACE} deploy/{walk.APP} -c main -f    # an application that sends a request every second
  {binaries.outrigger("outrigger")} doctor
  make cluster-down                         # deletes it with everything in it"""


def main():
    match sys.argv[1:]:
        case ["up"]:
            if is_up():
                print("The cluster already exists, with the builds of its creation (make cluster-down ends it).")
            else:
                example(up())
            print(summary())
        case ["demo"]:
            demo()
        case ["has-control-plane"]:
            sys.exit(0 if binaries.has_controlplane() else 1)
        case ["control-plane"]:
            print(f"The control plane is {binaries.controlplane()}.")
        case ["down"]:
            print("The cluster is deleted." if down() else "This checkout has no cluster.")
        case _:
            print(__doc__)
            sys.exit(2)


def example(cluster):
    """The start of the walk: objects, and an application that sends a request every second."""
    steps = walk.Walk(cluster)
    for step in (steps.apply, steps.inject, steps.ask):
        step()


def demo():
    steps = walk.Walk(there() if is_up() else up())
    steps.forget()
    steps.all()
    print(f"\nThe cluster keeps running. {summary()}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
