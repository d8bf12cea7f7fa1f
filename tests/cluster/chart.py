"""The chart, installed by Helm: OUTRIGGER_CHART, or charts/outrigger."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import binaries
from gateway import REPOSITORY, environment

RELEASE, NAMESPACE = "outrigger", "outrigger-system"
SECONDS = 300


def folder():
    return Path(os.environ.get("OUTRIGGER_CHART", REPOSITORY / "charts" / "outrigger"))


def helm(cluster, *arguments, input=None):
    """What Helm says. It keeps nothing outside of the cluster's folder."""
    home = cluster.folder / "helm"
    env = environment(
        KUBECONFIG=str(cluster.kubeconfig),
        # Helm writes down what kinds there are before the chart's own are, where kubectl would read it.
        KUBECACHEDIR=str(cluster.folder / "helm-cache"),
        HELM_CACHE_HOME=str(home / "cache"),
        HELM_CONFIG_HOME=str(home / "config"),
        HELM_DATA_HOME=str(home / "data"),
    )
    command = [binaries.helm(), *map(str, arguments)]
    done = subprocess.run(
        command, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"helm {' '.join(map(str, arguments))}:\n{done.stdout}")
    return done.stdout


def install(cluster, values, *flags):
    """Or upgrade, as people do it: `helm upgrade --install`."""
    into = ["--namespace", NAMESPACE, "--create-namespace"]
    # JSON is YAML.
    return helm(
        cluster, "upgrade", "--install", RELEASE, folder(), *into, "--values", "-", *flags, input=json.dumps(values)
    )


@contextmanager
def without_validation(cluster):
    """As if the validating webhook were away: so objects come in that it would have refused."""
    kind = "ValidatingWebhookConfiguration"
    kept = cluster.api.get(kind, None, RELEASE)
    cluster.api.delete(kind, None, RELEASE)
    # The API server goes by what its own watch has told it.
    cluster.until("what is refused at the door to be let in", lambda: not is_validated(cluster))
    try:
        yield
    finally:
        metadata = {name: kept["metadata"][name] for name in ("name", "labels", "annotations") if name in kept["metadata"]}
        cluster.api.sound(cluster.api.create(kept | {"metadata": metadata}))


def is_validated(cluster):
    """Whether the validating webhook is asked. By a Budget that nothing else refuses, and that is not kept."""
    spec = {"amount": "1.00", "window": "Day", "timeZone": "Europe/Atlantis"}
    metadata = {"name": "asked", "namespace": "default"}
    asked = {"apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget", "metadata": metadata, "spec": spec}
    return cluster.api.create(asked, dryRun="All").status >= 300
