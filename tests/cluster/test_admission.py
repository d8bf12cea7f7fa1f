"""The pods of operator/tests/pods through a real API server and the webhook. The results must match the golden
files."""

import json
import re
from difflib import unified_diff

import pytest

from api import path
from gateway import REPOSITORY
from objects import ASKS, ours
from operator_process import IMAGE

PODS = REPOSITORY / "operator" / "tests" / "pods"
# They need other flags of the operator.
FLAGS = {"openshift", "pull-secrets"}
# Not reviewed: the first asks for no gateway, and only a kubelet may create the second.
NOT_FOR_US = {"static-pod"}
NAMES = sorted(file.stem for file in PODS.glob("*.yaml") if not file.stem.endswith(".golden"))
CASES = [name for name in NAMES if name not in FLAGS | NOT_FOR_US]
# Fields that an API server generates.
MADE_UP = ("uid", "creationTimestamp", "managedFields", "namespace", "generation")
OUTSIDE = "kube-system"


@pytest.fixture(autouse=True)
def running(operator):
    """All these tests need the operator."""


def documents(name):
    """A pod, and its namespace's labels and annotations as text below `metadata:`."""
    given, _, beside = (PODS / f"{name}.yaml").read_text().partition("\n---\n")
    return given, re.sub(r"^namespace:.*\n", "", beside)


def posted(cluster, namespace, text):
    """The API server's result for a pod, sent verbatim as a dry run."""
    return cluster.api.ask("POST", path("Pod", namespace), text, "application/yaml", dryRun="All")


def plain(pod):
    """Without fields that the API server generates or adds for the service account."""
    made_up = MADE_UP + (("name",) if "generateName" in pod["metadata"] else ())
    metadata = {name: value for name, value in pod["metadata"].items() if name not in made_up}
    spec = dict(pod["spec"])
    spec["volumes"] = [one for one in spec.get("volumes", []) if not one["name"].startswith("kube-api-access-")]
    for kind in ("containers", "initContainers"):
        spec[kind] = [
            one | {"volumeMounts": [m for m in one.get("volumeMounts", []) if not m["name"].startswith("kube-api-access-")]}
            for one in spec.get(kind, [])
        ]
    return {"metadata": metadata, "spec": spec}


def lines(pod):
    return json.dumps(plain(pod), indent=1, sort_keys=True).splitlines()


def version():
    return re.search(r'^version = "(.*)"', (REPOSITORY / "Cargo.toml").read_text(), re.M)[1]


@pytest.fixture(scope="module")
def shop(cluster):
    """The namespace for all cases, which are dry runs."""
    yield from made(cluster, "shop", "")


def made(cluster, name, beside):
    text = f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n{beside}"
    cluster.api.sound(cluster.api.ask("POST", path("Namespace"), text, "application/yaml"))
    cluster.api.until("ServiceAccount", name, "default", bool)
    yield name
    cluster.api.delete("Namespace", None, name)


@pytest.mark.parametrize("name", CASES)
def test_pods_match_their_golden_files(cluster, operator, shop, name):
    given, beside = documents(name)
    if not beside:
        return check(cluster, operator, shop, name, given)
    for namespace in made(cluster, f"shop-{name}", beside):
        check(cluster, operator, namespace, name, given)


def check(cluster, operator, namespace, name, given):
    golden = (PODS / f"{name}.golden.yaml").read_text()
    outcome, _, message = golden.partition("\n")[0].removeprefix("# ").partition(" ")
    # Pods in an unknown namespace can't be tested.
    answer = cluster.until("the namespace to be known", lambda: heard_of(posted(cluster, namespace, given)))
    if outcome == "refused":
        reason, _, message = message.partition(": ")
        assert answer.status >= 400 and message in answer.message, answer
        return
    expected = posted(cluster, OUTSIDE, as_here(golden, operator, answer.body) if outcome in ("injected", "skipped") else given)
    if expected.status >= 400:
        # The API server refuses such a pod, with or without a gateway.
        assert answer.status == expected.status, (answer, expected)
        return
    assert answer.status == 201, answer
    difference = list(unified_diff(lines(expected.body), lines(answer.body), n=0, lineterm=""))
    assert difference == [], "\n".join(difference)
    if outcome == "skipped":
        assert any(message.partition(": ")[2] in warning for warning in answer.warnings), answer.warnings


def heard_of(answer):
    return None if "has not seen namespace" in answer.message else answer


def as_here(golden, operator, pod):
    """The golden file with this operator's values. The public key is the pod's own; other tests verify
    signatures."""
    if key := signed_by(pod):
        golden = re.sub(r"(- --signed-by\n *- )\S+", rf"\g<1>{key}", golden)
    golden = re.sub(r"(?<![0-9.])0\.0\.0(?![0-9.])", version(), golden.replace("registry.example/outrigger-sidecar:1", IMAGE))
    return golden.replace("https://outrigger.outrigger-system.svc:443", operator.url)


def signed_by(pod):
    """The key in the arguments of a pod's gateway, if it has one."""
    containers = pod.get("spec", {}).get("initContainers", [])
    given = next((container.get("args", []) for container in containers if container["name"] == "outrigger"), [])
    return given[given.index("--signed-by") + 1] if "--signed-by" in given else None


def test_enough_of_them_are_tried():
    assert len(CASES) >= 40


def template(name):
    container = {"name": "main", "image": "outrigger.test/busybox:1"}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def workload(kind, namespace, annotations):
    metadata = {"name": "app", "namespace": namespace, "annotations": ours(annotations)}
    selected = {"selector": {"matchLabels": {"app": "app"}}, "template": template("app")}
    if kind == "CronJob":
        made = template("app")
        made["spec"]["restartPolicy"] = "Never"
        spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": made}}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": spec}
    more = {"StatefulSet": {"serviceName": "app", "replicas": 1}, "Deployment": {"replicas": 1}, "DaemonSet": {}}[kind]
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": selected | more}


def template_of(object):
    spec = object["spec"]
    return (spec["jobTemplate"]["spec"] if object["kind"] == "CronJob" else spec)["template"]


STAMP = "outrigger.dev/workload"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "CronJob"])
def test_a_workloads_stamp_follows_its_annotations(cluster, namespace, kind):
    def stamp(annotations):
        made = cluster.api.apply(workload(kind, namespace, annotations))
        return (template_of(made)["metadata"].get("annotations") or {}).get(STAMP), made["metadata"]["generation"]

    none, first = stamp({})
    assert none is None
    stamped, second = stamp(ASKS)
    assert stamped and second > first
    # Applied again, by any manager, it does not change, so nothing rolls out.
    assert stamp(ASKS) == (stamped, second)
    again = cluster.api.apply(workload(kind, namespace, ASKS), manager="gitops")
    assert again["metadata"]["generation"] == second
    other, third = stamp(ASKS | {"virtual-key": "search"})
    assert other != stamped and third > second
    assert cluster.api.apply(workload(kind, namespace, ASKS | {"virtual-key": "search"}))["metadata"]["generation"] == third
    cluster.api.delete(kind, namespace, "app")
    made = cluster.api.apply(workload(kind, namespace, ASKS))
    assert template_of(made)["metadata"]["annotations"] == {STAMP: stamped}
    removed, _ = stamp({})
    assert removed is None
