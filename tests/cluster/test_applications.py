"""On a real node: an application with the OpenAI SDK and one annotation, from its first reply to its end."""

import json

import pytest

import images
from conftest import a_namespace
from installation import application, without_operator
from objects import ASKS, key, mock, ours, outrigger as object_of, secret

SECONDS = 120


@pytest.fixture
def space(outrigger, request):
    yield from a_namespace(outrigger, request)


def until_it_says(node, namespace, pod, words):
    """Waits for a reply. It sends several requests a second, and writes the replies; only new lines count."""
    known = len(node.lines(namespace, pod))
    node.until(words, lambda: node.lines(namespace, pod)[known + 1 :][-1:] == [words])


def start(node, *objects, name="app"):
    """Applies objects. Returns the Deployment's single pod once it is Ready."""
    for one in objects:
        node.api.apply(one)
    namespace = objects[-1]["metadata"]["namespace"]
    (pod,) = node.pods(namespace, f"app={name}", lambda pods: len(pods) == 1)
    return node.until_ready("Pod", namespace, pod["metadata"]["name"])["metadata"]["name"]


def test_one_annotation_is_all_it_takes(outrigger, space):
    node = outrigger
    app = start(node, mock(space, reply="Hello from a mock."), key(space), *application(space))
    until_it_says(node, space, app, "Hello from a mock.")
    # Every request was answered from the first one on, because the gateway started first.
    assert set(node.kubectl("logs", app, "-n", space, "-c", "main").split("\n")) <= {"Hello from a mock.", ""}
    # And a change reaches it without any action.
    node.api.apply(mock(space, reply="Hello from another."))
    until_it_says(node, space, app, "Hello from another.")
    # The application's own container has neither a credential nor the operator's token.
    pod = node.api.get("Pod", space, app)
    (main,) = pod["spec"]["containers"]
    assert not any(mount["name"].startswith("outrigger") for mount in main["volumeMounts"])


def test_changes_apply_without_a_restart(outrigger, space):
    node = outrigger
    price = {"defaultPrice": {"inputPerMillion": "1000", "outputPerMillion": "1000"}}
    for name in ("openai", "anthropic"):
        node.api.apply(mock(space, name, f"from {name}", **price))

    def limited(amount):
        providers = [{"name": "openai"}, {"name": "anthropic", "weight": 0}]
        return key(space, providers=providers, limits={"budgets": [{"name": "day", "amount": amount, "window": "Day"}]})

    app = start(node, limited("10.00"), *application(space))
    until_it_says(node, space, app, "from openai")
    before = node.api.get("Pod", space, app)["status"]
    rule = {"when": 'model == "gpt-4o"', "targets": [{"provider": "anthropic"}]}
    node.api.apply(object_of("RoutingRule", space, "all", **rule))
    until_it_says(node, space, app, "from anthropic")
    node.api.delete("RoutingRule", space, "all")
    until_it_says(node, space, app, "from openai")
    # More than that is already spent.
    node.api.apply(limited("0.001"))
    until_it_says(node, space, app, "402 budget_exceeded")
    node.api.apply(limited("10.00"))
    until_it_says(node, space, app, "from openai")
    node.kubectl("wait", "llmp,vkey", "--all", "-n", space, "--for=condition=Ready", f"--timeout={SECONDS}s")
    assert set(node.lines(space, app)) == {"from openai", "from anthropic", "402 budget_exceeded"}
    after = node.api.get("Pod", space, app)["status"]
    for kind in ("containerStatuses", "initContainerStatuses"):
        assert [one["containerID"] for one in after[kind]] == [one["containerID"] for one in before[kind]]


def test_gateways_are_counted(outrigger, space):
    node = outrigger
    start(node, mock(space), key(space), *application(space))
    counted = lambda one: one["status"].get("sidecars", {}).get("summary") == "1/1"  # noqa: E731
    status = node.api.until("VirtualKey", space, "default", counted, SECONDS)["status"]
    assert status["sidecars"]["connected"] == 1


def test_a_pod_without_a_policy_starts_and_gets_errors(outrigger, space):
    node = outrigger
    app = start(node, *application(space))
    # Without a key, a pod may use nothing.
    until_it_says(node, space, app, "401 virtual_key_required")
    node.api.apply(mock(space, reply="Now.", withoutKey="Allow"))
    until_it_says(node, space, app, "Now.")


def test_a_restarted_gateway_needs_no_operator(outrigger, space):
    node = outrigger
    app = start(node, mock(space, reply="one"), key(space), *application(space))
    node.api.apply(mock(space, reply="two"))
    until_it_says(node, space, app, "two")
    with without_operator(node):
        until_it_says(node, space, app, "two")
        before = restarts(node, space, app)
        node.end_container(space, app, "outrigger")
        node.api.until("Pod", space, app, lambda pod: count(pod) > before, SECONDS)
        node.until_ready("Pod", space, app)
        until_it_says(node, space, app, "two")
    # It gets changes again.
    node.api.apply(mock(space, reply="three"))
    until_it_says(node, space, app, "three")


def count(pod):
    return next(one for one in pod["status"]["initContainerStatuses"] if one["name"] == "outrigger")["restartCount"]


def restarts(node, namespace, name):
    return count(node.api.get("Pod", namespace, name))


def test_a_job_completes(outrigger, space):
    node = outrigger
    files, deployment = application(space, command=("ask",))
    template = deployment["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": space, "annotations": ours(ASKS)},
        "spec": {"template": template, "backoffLimit": 0},
    }
    for one in (mock(space), key(space), files, job):
        node.api.apply(one)
    node.api.until("Job", space, "once", lambda one: one.get("status", {}).get("succeeded") == 1, SECONDS)
    assert node.kubectl("logs", "job/once", "-n", space, "-c", "main").strip() == "Hello."


def test_a_rollout_loses_no_request(outrigger, space):
    node = outrigger
    first = start(node, mock(space), key(space), *application(space, command=("keep", "0.02")))
    node.until("some answers", lambda: len(node.lines(space, first)) > 5)
    # Its log is removed with the pod, so it is followed to its end.
    with node.following(space, first) as rest:
        node.kubectl("delete", "pod", first, "-n", space, "--wait=false")
        replies = rest()
    assert set(replies) == {"Hello."}


def test_a_secret_reaches_only_gateways(outrigger, space):
    node = outrigger
    provider = object_of(
        *("LLMProvider", space, "openai"),
        type="OpenAI",
        endpoint="http://127.0.0.1:9",
        credentials=[{"name": "main", "secretRef": {"name": "openai"}}],
    )
    app = start(node, secret(space, "openai", apiKey="sk-of-this-test"), provider, key(space), *application(space))
    until_it_says(node, space, app, "502 upstream_unreachable")
    everything = node.kubectl(
        *("exec", app, "-n", space, "-c", "main", "--", "python", "-c"),
        "import os; print(dict(os.environ)); [print(open(os.path.join(at, f), errors='replace').read()) "
        "for at, _, files in os.walk('/var/run') for f in files]",
    )
    assert "sk-of-this-test" not in everything


def test_the_operator_is_healthy(outrigger):
    node = outrigger
    for pod in node.api.list("Pod", "outrigger-system", labelSelector="app.kubernetes.io/name=outrigger"):
        output = node.kubectl("logs", pod["metadata"]["name"], "-n", "outrigger-system", check=False)
        lines = [json.loads(line) for line in output.splitlines()]
        assert [line for line in lines if "is forbidden" in json.dumps(line)] == []
        assert images.OPERATOR in {one["image"] for one in pod["spec"]["containers"]}
