"""Which pods and workloads the API server sends to the operator's webhooks, by their conditions on a real API
server."""

import json

import pytest

from rendered import NAMESPACE, RELEASE


@pytest.fixture(scope="module")
def unannotated(release):
    """Workloads that were written before the webhooks existed."""
    cluster = release.cluster
    cluster.kubectl("create", "namespace", "unannotated")
    cluster.kubectl("create", "-f", "-", input=json.dumps(workload("Deployment", "unannotated", {INJECT: "true"})))
    pending = workload("StatefulSet", "unannotated", {INJECT: "true"})
    pending["metadata"]["finalizers"] = ["example.com/held"]
    cluster.kubectl("create", "-f", "-", input=json.dumps(pending))
    cluster.kubectl("delete", "statefulset", "app", "-n", "unannotated", "--wait=false")
    return "unannotated"


@pytest.fixture(scope="module")
def failing_webhooks(release, unannotated):
    """Webhooks that fail, so that every reviewed request is refused."""
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


def webhook_of(cluster, manifest, *verb):
    """The webhook that reviews the request, or None."""
    typed = verb or ("create", "--dry-run=server")
    given = {"input": json.dumps(manifest)} if manifest else {}
    output = cluster.kubectl(*typed, *(["-f", "-"] if manifest else []), **given, check=False)
    if "failed calling webhook" in output:
        return output.split('failed calling webhook "')[1].split(".outrigger.dev")[0]
    assert "(server dry run)" in output or "created" in output, output
    return None


CONTAINERS = {"containers": [{"name": "app", "image": "app"}]}
# What the Pod Security Standard "restricted" asks for: other tests may have labelled the operator's namespace with it.
RESTRICTED = {
    "containers": [{
        "name": "app", "image": "app",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }],
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}


@pytest.mark.parametrize("labelled, annotations, webhook", PODS)
def test_reviewed_pods(failing_webhooks, namespace, labelled, annotations, webhook):
    if labelled:
        failing_webhooks.kubectl("label", "namespace", namespace, f"{INJECT}=true")
    pod = {
        "apiVersion": "v1", "kind": "Pod", "spec": CONTAINERS,
        "metadata": {"name": "app", "namespace": namespace, "annotations": annotations},
    }
    assert webhook_of(failing_webhooks, pod) == webhook


@pytest.mark.parametrize("namespace", ["kube-system", NAMESPACE])
def test_pods_without_a_review(failing_webhooks, namespace):
    pod = {
        "apiVersion": "v1", "kind": "Pod", "spec": RESTRICTED,
        "metadata": {"name": "app", "namespace": namespace, "annotations": {INJECT: "true"}},
    }
    failing_webhooks.api.until("ServiceAccount", namespace, "default", bool)
    assert webhook_of(failing_webhooks, pod) is None


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
def test_reviewed_workloads(failing_webhooks, namespace, kind):
    cluster = failing_webhooks
    assert webhook_of(cluster, workload(kind, namespace, {})) is None
    assert webhook_of(cluster, workload(kind, namespace, {"example.com/a": "b"})) is None
    # Its pods will be reviewed.
    assert webhook_of(cluster, workload(kind, namespace, {}, {INJECT: "true"})) is None
    assert webhook_of(cluster, workload(kind, namespace, {INJECT: "true"})) == "workloads"
    assert webhook_of(cluster, workload(kind, namespace, {INJECT: "false"})) == "workloads"

    assert webhook_of(cluster, workload(kind, namespace, {}), "create") is None
    annotate = ["annotate", kind.lower(), "app", "-n", namespace, "--dry-run=server"]
    assert webhook_of(cluster, None, *annotate, "example.com/a=b") is None
    # A Job is reviewed to warn its author, by a webhook that never refuses.
    assert webhook_of(cluster, None, *annotate, f"{KEY}=search") == (None if kind == "Job" else "workloads")


def test_objects_are_written_while_webhooks_fail(failing_webhooks, namespace):
    key = {
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey",
        "metadata": {"name": "app", "namespace": namespace}, "spec": {},
    }
    failing_webhooks.kubectl("create", "-f", "-", input=json.dumps(key))
    failing_webhooks.kubectl("delete", "vkey", "app", "-n", namespace)


def test_removing_an_annotation_is_reviewed(failing_webhooks, unannotated):
    output = failing_webhooks.kubectl("annotate", "deployment", "app", "-n", unannotated, f"{INJECT}-", check=False)
    assert 'failed calling webhook "workloads.outrigger.dev"' in output


def test_a_deletion_is_not_blocked(failing_webhooks, unannotated):
    let_go = '{"metadata":{"finalizers":null}}'
    failing_webhooks.kubectl("patch", "statefulset", "app", "-n", unannotated, "--type=merge", "-p", let_go)
    failing_webhooks.api.until("StatefulSet", unannotated, "app", lambda it: it is None)


def test_reviewed_actions_on_limits(failing_webhooks, namespace):
    action, by = "outrigger.dev/ledger-action", "outrigger.dev/ledger-action-by"
    cluster = failing_webhooks

    def budget(annotations):
        return {
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget", "spec": {"amount": "5", "window": "Month"},
            "metadata": {"name": "team", "namespace": namespace, "annotations": annotations},
        }

    assert webhook_of(cluster, budget({"example.com/a": "b"})) is None
    assert webhook_of(cluster, budget({action: "{}"})) == "actions"
    assert webhook_of(cluster, budget({by: "root"})) == "actions"
    assert webhook_of(cluster, budget({}), "create") is None
    annotate = ["annotate", "budget", "team", "-n", namespace, "--dry-run=server"]
    assert webhook_of(cluster, None, *annotate, "example.com/a=b") is None
    assert webhook_of(cluster, None, *annotate, f"{action}=x") == "actions"
    assert webhook_of(cluster, None, *annotate, f"{by}=root") == "actions"
