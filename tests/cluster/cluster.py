#!/usr/bin/env python3
"""A Kubernetes on this machine with Outrigger in it, to play with: `make cluster`, `make demo`, `make cluster-down`;
and the control plane that it and the tests need: `make control-plane`."""

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

# Another checkout has another one: neither ends the other's.
NAME = f"cluster-{hashlib.sha256(str(REPOSITORY).encode()).hexdigest()[:6]}"
FOLDER = runs.ROOT / NAME
KUBECONFIG = binaries.CACHE / "cluster" / "kubeconfig"


def up():
    """A new cluster with Outrigger in it."""
    # Asked before anything is made, and in words of its own: everything below needs it.
    if os.geteuid() != 0:
        raise PermissionError("a node needs root: sudo, or a shell of root's")
    if FOLDER.exists():
        print("What there was has lost processes, by a restart of this machine for instance: it is made anew.")
        down()
    print("starting Kubernetes (half a minute)", flush=True)
    cluster = NodeCluster(NAME, bound=False)
    cluster.__enter__()
    try:
        print("installing the chart, with images made here (a minute)", flush=True)
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
    """Whether there was one."""
    KUBECONFIG.unlink(missing_ok=True)
    if not FOLDER.exists():
        return False
    runs.remove(FOLDER)
    return True


def is_up():
    return KUBECONFIG.exists() and runs.is_alive(FOLDER)


def told():
    return f"""To use it:

  export KUBECONFIG={KUBECONFIG} PATH={binaries.CACHE / "bin"}:$PATH
  kubectl get llm,pods -n {walk.NAMESPACE}
  kubectl logs -n {walk.NAMESPACE} deploy/{walk.APP} -c main -f    # an application that asks every second
  {binaries.outrigger("outrigger")} doctor
  make cluster-down                         # ends it, and all that is in it"""


def main():
    match sys.argv[1:]:
        case ["up"]:
            if is_up():
                print("A cluster is there already, with what was built when it was made (make cluster-down ends it).")
            else:
                example(up())
            print(told())
        case ["demo"]:
            demo()
        case ["has-control-plane"]:
            sys.exit(0 if binaries.has_controlplane() else 1)
        case ["control-plane"]:
            print(f"The control plane is {binaries.controlplane()}.")
        case ["down"]:
            print("The cluster is gone." if down() else "There is no cluster of this checkout.")
        case _:
            print(__doc__)
            sys.exit(2)


def example(cluster):
    """The walk's beginning: objects, and an application that asks every second."""
    steps = walk.Walk(cluster)
    for step in (steps.apply, steps.inject, steps.ask):
        step()


def demo():
    steps = walk.Walk(there() if is_up() else up())
    steps.forget()
    steps.all()
    print(f"\nThe cluster stays. {told()}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
