"""Which pods and workloads the API server asks the operator about, as its webhooks' conditions decide on a real one."""

import json

import pytest

from rendered import NAMESPACE, RELEASE


@pytest.fixture(scope="module")
def unsaid(release):
    """Workloads that were written before anybody was asked."""
    cluster = release.cluster
    cluster.kubectl("create", "namespace", "unsaid")
    cluster.kubectl("create", "-f", "-", input=json.dumps(workload("Deployment", "unsaid", {INJECT: "true"})))
    held = workload("StatefulSet", "unsaid", {INJECT: "true"})
    held["metadata"]["finalizers"] = ["example.com/held"]
    cluster.kubectl("create", "-f", "-", input=json.dumps(held))
    cluster.kubectl("delete", "statefulset", "app", "-n", "unsaid", "--wait=false")
    return "unsaid"


@pytest.fixture(scope="module")
def nobody_answers(release, unsaid):
    """Webhooks that fail, so that who is asked is who is refused."""
    release.install({"webhooks": {"url": "https://127.0.0.1:1", "failurePolicy": "Fail"}})
    yield release.cluster
    release.helm("uninstall", RELEASE)


INJECT, WORKLOAD, KEY = "outrigger.dev/inject", "outrigger.dev/workload", "outrigger.dev/virtual-key"
PODS = [
    (False, {}, None),
    (False, {"example.com/a": "b"}, None),
    (False, {KEY: "search"}, None),
    (False, {INJECT: "false"}, None),
    (False, {INJECT: "false", WORKLOAD: "{}"}, None),
    (False, {INJECT: "true"}, "pods"),
    (False, {INJECT: "flase"}, "pods"),
    (False, {WORKLOAD: '{"inject":"true"}'}, "pods"),
    (True, {}, "namespaces"),
    (True, {KEY: "search"}, "namespaces"),
    (True, {INJECT: "false"}, None),
    (True, {INJECT: "true"}, "pods"),
    (True, {WORKLOAD: "{}"}, "pods"),
]


def asked(cluster, manifest, *verb):
    """Which webhook is asked about it; None: nobody."""
    typed = verb or ("create", "--dry-run=server")
    given = {"input": json.dumps(manifest)} if manifest else {}
    told = cluster.kubectl(*typed, *(["-f", "-"] if manifest else []), **given, check=False)
    if "failed calling webhook" in told:
        return told.split('failed calling webhook "')[1].split(".outrigger.dev")[0]
    assert "(server dry run)" in told or "created" in told, told
    return None


CONTAINERS = {"containers": [{"name": "app", "image": "app"}]}


@pytest.mark.parametrize("labelled, annotations, webhook", PODS)
def test_pods_that_are_asked_about(nobody_answers, namespace, labelled, annotations, webhook):
    if labelled:
        nobody_answers.kubectl("label", "namespace", namespace, f"{INJECT}=true")
    pod = {
        "apiVersion": "v1", "kind": "Pod", "spec": CONTAINERS,
        "metadata": {"name": "app", "namespace": namespace, "annotations": annotations},
    }
    assert asked(nobody_answers, pod) == webhook


@pytest.mark.parametrize("namespace", ["kube-system", NAMESPACE])
def test_where_nobody_is_asked(nobody_answers, namespace):
    pod = {
        "apiVersion": "v1", "kind": "Pod", "spec": CONTAINERS,
        "metadata": {"name": "app", "namespace": namespace, "annotations": {INJECT: "true"}},
    }
    nobody_answers.api.until("ServiceAccount", namespace, "default", bool)
    assert asked(nobody_answers, pod) is None


def workload(kind, namespace, annotations, template=None):
    pods = {"metadata": {"labels": {"app": "a"}, "annotations": template or {}}, "spec": dict(CONTAINERS)}
    selector = {"matchLabels": {"app": "a"}}
    once = pods | {"spec": pods["spec"] | {"restartPolicy": "Never"}}
    version, spec = {
        "Deployment": ("apps/v1", {"selector": selector, "template": pods}),
        "StatefulSet": ("apps/v1", {"selector": selector, "template": pods, "serviceName": "a"}),
        "DaemonSet": ("apps/v1", {"selector": selector, "template": pods}),
        "Job": ("batch/v1", {"suspend": True, "template": once}),
        "CronJob": ("batch/v1", {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": once}}}),
    }[kind]
    metadata = {"name": "app", "namespace": namespace, "annotations": annotations}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_workloads_that_are_asked_about(nobody_answers, namespace, kind):
    cluster = nobody_answers
    assert asked(cluster, workload(kind, namespace, {})) is None
    assert asked(cluster, workload(kind, namespace, {"example.com/a": "b"})) is None
    # Its pods will be asked about.
    assert asked(cluster, workload(kind, namespace, {}, {INJECT: "true"})) is None
    assert asked(cluster, workload(kind, namespace, {INJECT: "true"})) == "workloads"
    assert asked(cluster, workload(kind, namespace, {INJECT: "false"})) == "workloads"

    assert asked(cluster, workload(kind, namespace, {}), "create") is None
    annotate = ["annotate", kind.lower(), "app", "-n", namespace, "--dry-run=server"]
    assert asked(cluster, None, *annotate, "example.com/a=b") is None
    # A Job is asked about so that its author is warned, by a webhook that stops nobody.
    assert asked(cluster, None, *annotate, f"{KEY}=search") == (None if kind == "Job" else "workloads")


def test_objects_are_written_while_nobody_answers(nobody_answers, namespace):
    key = {
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey",
        "metadata": {"name": "app", "namespace": namespace}, "spec": {},
    }
    nobody_answers.kubectl("create", "-f", "-", input=json.dumps(key))
    nobody_answers.kubectl("delete", "vkey", "app", "-n", namespace)


def test_what_was_said_is_asked_about_when_it_is_unsaid(nobody_answers, unsaid):
    told = nobody_answers.kubectl("annotate", "deployment", "app", "-n", unsaid, f"{INJECT}-", check=False)
    assert 'failed calling webhook "workloads.outrigger.dev"' in told


def test_what_is_being_deleted_can_go(nobody_answers, unsaid):
    let_go = '{"metadata":{"finalizers":null}}'
    nobody_answers.kubectl("patch", "statefulset", "app", "-n", unsaid, "--type=merge", "-p", let_go)
    nobody_answers.api.until("StatefulSet", unsaid, "app", lambda it: it is None)
