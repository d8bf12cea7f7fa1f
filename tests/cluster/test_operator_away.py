"""On a real node: what applications and their authors see while the operator restarts or is down."""

import shlex

import pytest

import chart
from api import path
from conftest import a_namespace
from installation import application, is_rolled_out, replicas_of, values, without_operator
from objects import ASKS, condition, deployment, key, mock, pod

SECONDS = 120
LABELLED = {"metadata": {"labels": {"outrigger.dev/inject": "true"}}}


@pytest.fixture
def space(outrigger, request):
    yield from a_namespace(outrigger, request)


def start(node, *objects):
    """Applies objects. Returns the Deployment's single pod once it is Ready."""
    for one in objects:
        node.api.apply(one)
    namespace = objects[-1]["metadata"]["namespace"]
    return the_pod(node, namespace)


def the_pod(node, namespace, other_than=None):
    """The Deployment's single pod once it is Ready."""
    living = lambda pods: [p for p in pods if p["metadata"]["name"] != other_than]  # noqa: E731
    (found,) = living(node.pods(namespace, "app=app", lambda pods: len(living(pods)) == 1))
    return node.until_ready("Pod", namespace, found["metadata"]["name"])["metadata"]["name"]


def until_it_says(node, namespace, app, words):
    node.until(words, lambda: node.lines(namespace, app)[-1:] == [words], SECONDS)


def is_connected(node, namespace, app):
    """Whether the gateway reports an open stream."""
    readiness = node.api.ask("GET", path("Pod", namespace, f"{app}:4181", "proxy") + "/readyz").body
    return (readiness.get("operator") or {}).get("connected")


def since(object, type):
    """The last transition time of a condition."""
    return next(one["lastTransitionTime"] for one in object["status"]["conditions"] if one["type"] == type)


def test_both_replicas_restart_at_once(outrigger, space):
    node = outrigger
    app = start(node, mock(space, reply="one"), key(space), *application(space, command=("keep", "0.05")))
    until_it_says(node, space, app, "one")
    counted = lambda one: one["status"].get("sidecars", {}).get("summary") == "1/1"  # noqa: E731
    before = node.api.until("VirtualKey", space, "default", counted, SECONDS)
    assert condition(before, "Ready")[0] == "True"
    replicas = [one["metadata"]["name"] for one in replicas_of(node)]
    assert len(replicas) == 2
    for name in replicas:
        node.end_container(chart.NAMESPACE, name, "operator")
    # An object applied meanwhile is processed when they are back, and not refused because they are down.
    node.api.apply(mock(space, reply="two"))
    until_it_says(node, space, app, "two")
    for name in replicas:
        node.until_ready("Pod", chart.NAMESPACE, name)
        states = node.api.get("Pod", chart.NAMESPACE, name)["status"]["containerStatuses"]
        assert [one["restartCount"] for one in states] == [1], states
    node.kubectl("wait", "llmp/openai", "-n", space, "--for=condition=Ready", f"--timeout={SECONDS}s")
    node.until("its gateway's return", lambda: is_connected(node, space, app), SECONDS)
    # The application had no error, and the key stayed Ready.
    assert set(node.lines(space, app)) == {"one", "two"}
    after = node.api.get("VirtualKey", space, "default")
    assert [since(after, one) for one in ("Programmed", "Ready")] == [since(before, one) for one in ("Programmed", "Ready")]
    assert [one["note"] for one in node.api.list("Event", space) if one["regarding"].get("kind") == "VirtualKey"] == []


def test_an_upgrade_causes_no_error(outrigger, space):
    node = outrigger
    app = start(node, mock(space, reply="one"), key(space), *application(space, command=("keep", "0.05")))
    until_it_says(node, space, app, "one")
    before = {one["metadata"]["uid"] for one in replicas_of(node)}
    chart.install(node, values(podAnnotations={"tests/upgraded-to": "another"}))
    asking, answers = pod(space, "asks", ASKS), []

    def is_done():
        # Pods are created all the time, and each has its gateway.
        made = node.api.create(asking, dryRun="All")
        answers.append("injected" if "initContainers" in made.body.get("spec", {}) else made.message)
        return is_rolled_out(node.api.get("Deployment", chart.NAMESPACE, chart.RELEASE)) and len(replicas_of(node)) == 2

    node.until("both to be new", is_done, SECONDS)
    assert set(answers) == {"injected"}
    assert before.isdisjoint(one["metadata"]["uid"] for one in replicas_of(node))
    node.until("its gateway's return", lambda: is_connected(node, space, app), SECONDS)
    node.api.apply(mock(space, reply="two"))
    until_it_says(node, space, app, "two")
    assert set(node.lines(space, app)) == {"one", "two"}


def test_without_an_operator_no_asking_pod_starts(outrigger, space):
    node = outrigger
    app = start(node, mock(space, reply="one"), key(space), *application(space))
    with without_operator(node):
        # Objects that ask for a gateway are refused, with the name of the webhook. Others are not affected.
        for asking in (pod(space, "asks", ASKS), deployment(space, "asks", ASKS)):
            refused = node.api.create(asking)
            assert refused.status == 500 and "outrigger.dev" in refused.message, refused
        assert node.api.create(pod(space, "silent")).status == 201
        node.until_ready("Pod", space, "silent")
        # A deleted pod is recreated by its Deployment later.
        node.kubectl("delete", "pod", app, "-n", space, "--wait=true")
        assert node.api.list("Pod", space, labelSelector="app=app") == []
    # The controller was refused often, and backs off for minutes by now. Any change of the ReplicaSet makes it retry.
    node.kubectl("annotate", "replicaset", "-l", "app=app", "tests/again=now", "-n", space)
    another = the_pod(node, space, app)
    until_it_says(node, space, another, "one")


def test_a_pod_created_without_a_webhook_is_reported(outrigger, space):
    node = outrigger
    node.api.merge("Namespace", None, space, LABELLED)
    with without_operator(node):
        # The label asks for all pods, and its webhook lets them through.
        node.api.apply(deployment(space, "app"))
        name = the_pod(node, space)
        assert "initContainers" not in node.api.get("Pod", space, name)["spec"]
    (owner,) = node.api.get("Pod", space, name)["metadata"]["ownerReferences"]
    event = node.wait_for_event(space, owner["kind"], owner["name"], "NotInjected")
    # The command in the Event works.
    program, *words = shlex.split(event["note"].partition("recreate it: ")[2])
    assert program == "kubectl", event
    node.kubectl(*words)
    node.pods(space, "app=app", lambda pods: [p for p in pods if "initContainers" in p["spec"]])
