"""Outrigger on the node: the chart as users install it, with images made here."""

from contextlib import contextmanager
from pathlib import Path

import chart
import images
from objects import deployment
from waiting import until

HERE = Path(__file__).resolve().parent
SECONDS = 180


def values(**more):
    def image(name):
        repository, _, tag = name.partition("/")[2].rpartition(":")
        return {"repository": repository, "tag": tag, "pullPolicy": "Never"}

    given = {
        "image": {"registry": images.REGISTRY} | image(images.OPERATOR),
        "sidecar": {"image": image(images.SIDECAR)},
    }
    return given | more


def install(node, **more):
    """Loads images, installs the chart, and waits until everything is Ready."""
    for name in images.OURS:
        node.load(name)
    notes = chart.install(node, values(**more))
    node.api.until("Deployment", chart.NAMESPACE, chart.RELEASE, is_rolled_out, SECONDS)
    # The API server calls webhooks once their configurations have the operator's authority.
    kinds = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    for kind in kinds:
        node.api.until(kind, None, chart.RELEASE, lambda one: all("caBundle" in w["clientConfig"] for w in one["webhooks"]))
    until_webhooks_answer(node)
    return notes


def until_webhooks_answer(node):
    """Waits until kube-proxy routes to the operator, a little after it is Ready."""
    probe = deployment("default", "probe", {"inject": "true"})
    until("the webhooks", lambda: node.api.create(probe, dryRun="All").status == 201, SECONDS, node.daemons.values())


@contextmanager
def without_operator(node):
    """Runs the block without replicas. Afterwards both run and answer."""
    scale(node, 0)
    try:
        yield
    finally:
        scale(node, 2)
        until_webhooks_answer(node)


def scale(node, replicas):
    node.api.merge("Deployment", chart.NAMESPACE, chart.RELEASE, {"spec": {"replicas": replicas}})
    node.api.until("Deployment", chart.NAMESPACE, chart.RELEASE, is_rolled_out, SECONDS)
    if not replicas:
        node.until("its pods' end", lambda: replicas_of(node) == [], SECONDS)


def replicas_of(node):
    """The operator's pods."""
    return node.api.list("Pod", chart.NAMESPACE, labelSelector="app.kubernetes.io/name=outrigger")


def is_rolled_out(deployment):
    status, spec = deployment.get("status", {}), deployment["spec"]
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    replicas = spec["replicas"]
    counts = (status.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "replicas"))
    return current and all(count == replicas for count in counts)


def application(namespace, name="app", annotations=None, replicas=1, command=("keep", "0.3"), program="example_app.py"):
    """A Deployment of a program of this folder, with only these annotations."""
    files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-files", "namespace": namespace}}
    files["data"] = {"app.py": (HERE / program).read_text()}
    container = {
        "name": "main",
        "image": images.PYTHON,
        "imagePullPolicy": "Never",
        "command": ["python", "/app/app.py", *command],
        "volumeMounts": [{"name": "files", "mountPath": "/app"}],
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "containers": [container],
            "volumes": [{"name": "files", "configMap": {"name": f"{name}-files"}}],
        },
    }
    metadata = {"name": name, "namespace": namespace, "annotations": annotations or {"outrigger.dev/inject": "true"}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return files, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
