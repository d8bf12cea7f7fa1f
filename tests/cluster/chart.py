"""The chart, installed with Helm: OUTRIGGER_CHART, or charts/outrigger."""

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
    """Helm's output. Helm stores nothing outside of the cluster's folder."""
    home = cluster.folder / "helm"
    env = environment(
        KUBECONFIG=str(cluster.kubeconfig),
        # Helm caches the kinds before the chart's own exist, in a file that kubectl would read.
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
    """Installs or upgrades as users do: `helm upgrade --install`."""
    into = ["--namespace", NAMESPACE, "--create-namespace"]
    # JSON is YAML.
    return helm(
        cluster, "upgrade", "--install", RELEASE, folder(), *into, "--values", "-", *flags, input=json.dumps(values)
    )


@contextmanager
def without_validation(cluster):
    """Removes the validating webhook for a while, so that objects are stored which it would refuse."""
    kind = "ValidatingWebhookConfiguration"
    removed = cluster.api.get(kind, None, RELEASE)
    cluster.api.delete(kind, None, RELEASE)
    # The API server uses the configuration that its own watch has reported.
    cluster.until("what is refused at the door to be let in", lambda: not is_validated(cluster))
    try:
        yield
    finally:
        metadata = {name: removed["metadata"][name] for name in ("name", "labels", "annotations") if name in removed["metadata"]}
        cluster.api.sound(cluster.api.create(removed | {"metadata": metadata}))


def is_validated(cluster):
    """Whether the validating webhook is called. Tries a Budget, as a dry run, that only the webhook refuses."""
    spec = {"amount": "1.00", "window": "Day", "timeZone": "Europe/Atlantis"}
    metadata = {"name": "asked", "namespace": "default"}
    budget = {"apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget", "metadata": metadata, "spec": spec}
    return cluster.api.create(budget, dryRun="All").status >= 300
