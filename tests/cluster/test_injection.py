"""A pod that asks for a gateway gets one that an API server accepts, or a reason why it can't have one."""

import json

import pytest

from objects import ASKS, deployment, ours, pod

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
UNPRIVILEGED = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "main",
            "image": "outrigger.test/busybox:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}


@pytest.fixture(autouse=True)
def running(operator):
    """All these tests need the operator."""


def create(cluster, object):
    return cluster.api.create(object)


def gateway_of(pod):
    """The injected container, or None."""
    return next((one for one in pod["spec"].get("initContainers", []) if one["name"] == "outrigger"), None)


def test_a_pod_that_asks_gets_a_gateway(cluster, namespace):
    made = cluster.api.sound(create(cluster, pod(namespace, "app", ASKS | {"virtual-key": "search,batch"}))).body
    gateway = gateway_of(made)
    assert gateway["restartPolicy"] == "Always"
    labels = made["metadata"]["labels"]
    assert labels["app"] == "app" and labels["outrigger.dev/virtual-key"] == "search" and labels["outrigger.dev/sidecar"]
    annotation = json.loads(made["metadata"]["annotations"]["outrigger.dev/injected"])
    assert annotation["keys"] == ["search", "batch"]
    variables = {one["name"]: one.get("value") for one in made["spec"]["containers"][0]["env"]}
    assert variables["OPENAI_BASE_URL"] == "http://127.0.0.1:4180/v1" and variables["OPENAI_API_KEY"] == "outrigger"
    # And its policy is written before a node could start the pod.
    cluster.api.until("ConfigMap", namespace, "outrigger-search.batch", bool)


def test_it_is_fit_for_restricted_namespaces(cluster, namespace):
    cluster.api.merge("Namespace", None, namespace, {"metadata": {"labels": RESTRICTED}})
    answer = create(cluster, pod(namespace, "app", ASKS, **UNPRIVILEGED))
    assert answer.status == 201, answer.message
    assert gateway_of(answer.body) and answer.warnings == []


def test_a_namespace_asks_for_all_its_pods(cluster, namespace):
    cluster.api.merge("Namespace", None, namespace, {"metadata": {"labels": {"outrigger.dev/inject": "true"}}})

    def made(*given, **spec):
        return cluster.api.sound(create(cluster, pod(namespace, *given, **spec))).body

    # The API server uses its own watch's labels of the namespace.
    cluster.until("a gateway", lambda: gateway_of(made("silent")))
    assert gateway_of(made("out", {"inject": "false"})) is None
    # An impossible injection is skipped, with the reason on the pod.
    skipped = made("host", hostNetwork=True)
    assert gateway_of(skipped) is None
    assert "HostNetwork" in skipped["metadata"]["annotations"]["outrigger.dev/injected"]


@pytest.mark.parametrize("annotations, spec, words", [
    ({}, {"hostNetwork": True}, "hostNetwork"),
    ({}, {"shareProcessNamespace": True}, "shareProcessNamespace"),
    ({"captrue": "openai"}, {}, "outrigger.dev/capture"),
    ({"capture": "openai,azure"}, {}, "azure"),
    ({"port": "80"}, {}, "1024"),
])
def test_an_impossible_injection_is_refused(cluster, namespace, annotations, spec, words):
    answer = create(cluster, pod(namespace, "app", ASKS | annotations, **spec))
    assert answer.status in (400, 403, 422) and words in answer.message, answer


def test_a_workloads_annotations_reach_its_pods(cluster, namespace):
    cluster.api.apply(deployment(namespace, "app", ASKS))
    (made,) = cluster.pods(namespace, "app=app", lambda pods: len(pods) == 1)
    assert gateway_of(made)
    # They are removed again, and nothing else is.
    cluster.api.apply(deployment(namespace, "app", {}, {"log-level": "debug"}))
    template = cluster.api.get("Deployment", namespace, "app")["spec"]["template"]["metadata"]
    assert template["annotations"] == ours({"log-level": "debug"})
    cluster.pods(namespace, "app=app", lambda pods: [p for p in pods if not gateway_of(p)])


def test_applying_a_workload_again_changes_nothing(cluster, namespace):
    first = cluster.api.apply(deployment(namespace, "app", ASKS))
    cluster.api.until("Deployment", namespace, "app", lambda one: one["status"].get("observedGeneration"))
    again = cluster.api.apply(deployment(namespace, "app", ASKS))
    assert again["metadata"]["generation"] == first["metadata"]["generation"]


def test_a_job_is_stamped_once(cluster, namespace):
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": namespace, "annotations": ours(ASKS)},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "once"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "outrigger.test/busybox:1"}]},
            }
        },
    }
    cluster.api.sound(create(cluster, job))
    (made,) = cluster.pods(namespace, "app=once", lambda pods: len(pods) == 1)
    assert gateway_of(made)
    change = {"metadata": {"annotations": ours({"log-level": "debug"})}}
    answer = cluster.api.ask("PATCH", f"/apis/batch/v1/namespaces/{namespace}/jobs/once", change, "application/merge-patch+json")
    assert answer.status == 200 and answer.warnings


def test_the_operators_own_namespace_and_the_clusters_are_left_alone(cluster):
    for namespace in ("outrigger-system", "kube-system"):
        answer = cluster.api.create(pod(namespace, "app", ASKS), dryRun="All")
        # Pods of these namespaces are not reviewed.
        assert answer.status == 201 and gateway_of(answer.body) is None
