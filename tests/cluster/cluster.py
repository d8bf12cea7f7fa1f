#!/usr/bin/env python3
"""A Kubernetes on this machine with Outrigger in it, to play with: `make cluster`, `make demo`, `make cluster-down`."""

import sys

import binaries
import installation
import runs
import walk
from node import NodeCluster

NAME = "cluster"
KUBECONFIG = binaries.CACHE / "cluster" / "kubeconfig"


def up():
    if is_up():
        print(f"it is there already; {told()}")
        return
    runs.ROOT.mkdir(exist_ok=True)
    # What is left of one that was ended some other way, by a restart of the machine for instance.
    down()
    cluster = NodeCluster(NAME, bound=False)
    cluster.__enter__()
    try:
        print("installing the chart", flush=True)
        print(installation.install(cluster))
    except BaseException:
        print(f"logs: {cluster.down(keep_logs=True)}")
        raise
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.write_text(cluster.kubeconfig.read_text())
    return cluster


def down():
    folder = runs.ROOT / NAME
    if folder.exists():
        runs.remove(folder)
    KUBECONFIG.unlink(missing_ok=True)


def is_up():
    return KUBECONFIG.exists() and runs.is_alive(runs.ROOT / NAME)


def told():
    return f"""to use it:

  export KUBECONFIG={KUBECONFIG} PATH={binaries.CACHE / "bin"}:$PATH
  kubectl get llmp,vkey,rrule,llmb -A
  make cluster-down        # ends it, and all that is in it"""


def main():
    match sys.argv[1:]:
        case ["up"]:
            if cluster := up():
                example(cluster)
                print(told())
        case ["demo"]:
            demo()
        case ["down"]:
            down()
        case _:
            print(__doc__)
            sys.exit(2)


def example(cluster):
    """The walk's beginning: objects, and an application that asks every second."""
    steps = walk.Walk(cluster)
    for step in (steps.apply, steps.inject, steps.ask):
        step()


def demo():
    if is_up():
        print(f"beginning anew needs `make cluster-down`: a cluster is there; {told()}")
        sys.exit(1)
    cluster = up()
    walk.Walk(cluster).all()
    print(f"\nThe cluster stays; {told()}")


if __name__ == "__main__":
    main()
