"""Everything converges: any order of apply has the same result, and an unchanged cluster is not written to."""

import json
import random
import re

import pytest

import truth
from api import path
from gateway import REPOSITORY
from objects import ASKS, mock, outrigger, pod

EXAMPLE = REPOSITORY / "examples" / "premium-routing"
ORDERS = 10
LINGER = {"outrigger-default", "outrigger-app.notebooks"}


@pytest.fixture(autouse=True)
def running(operator):
    """All these tests need the operator."""


def documents():
    """(kind, name, text) of each object of the example."""
    texts = [text for file in sorted(EXAMPLE.glob("*.yaml")) for text in re.split(r"^---$", file.read_text(), flags=re.M)]
    field = lambda word, text: re.search(rf"^{word}: (.*)$", text, re.M)[1]  # noqa: E731
    found = [(field("kind", text), re.search(r"name: ([a-z-]+)", field("metadata", text))[1], text) for text in texts]
    assert len(found) > 5
    return found


def put(cluster, namespace, kind, name, text, manager="tests"):
    where = path(kind, namespace, name)
    query = {"fieldManager": manager, "force": "true"}
    cluster.api.sound(cluster.api.ask("PATCH", where, text, "application/apply-patch+yaml", **query))


def outcome(cluster, namespace):
    """Everything that must not depend on the order: without sequences, times, and the namespace's name."""
    policies = {name: document | {"sequence": 0} for name, (_, _, document) in truth.policies(cluster, namespace).items()}
    statuses = {}
    for object in truth.objects(cluster, namespace):
        status = object["status"]
        conditions = [{name: one.get(name) for name in ("type", "status", "reason", "message")} for one in status["conditions"]]
        rest = {name: value for name, value in status.items() if name not in ("conditions", "observedGeneration")}
        name = f"{object['kind']}/{object['metadata']['name']}"
        statuses[name] = [truth.is_current(object), conditions, rest]
    text = json.dumps([policies, statuses], sort_keys=True)
    # Creation times and the times of amounts depend on the order.
    text = re.sub(r'"asOf": "[^"]*"', '"asOf": ""', text.replace(namespace, "NAMESPACE"))
    return re.sub(r'"created": \d+', '"created": 0', text)


@pytest.fixture
def namespaces(cluster, namespace):
    names = [f"{namespace[:40]}-{at}" for at in range(ORDERS)]
    for name in names:
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for name in names:
        cluster.api.until("ServiceAccount", name, "default", bool)
    yield names
    for name in names:
        cluster.api.delete("Namespace", None, name)


def test_any_order_ends_the_same(cluster, namespaces):
    chance = random.Random(5)
    steps = [*documents(), ("Pod", "app", None)]
    orders = [list(steps), list(reversed(steps))] + [chance.sample(steps, len(steps)) for _ in range(ORDERS - 2)]
    for at, (namespace, order) in enumerate(zip(namespaces, orders)):
        for kind, name, text in order:
            if text is None:
                cluster.api.sound(cluster.api.create(pod(namespace, name, ASKS | {"virtual-key": "app,notebooks"})))
                continue
            put(cluster, namespace, kind, name, text)
            # Half of them as users do it, with a look at each.
            if at % 2:
                cluster.api.until(kind, namespace, name, truth.is_current, truth.SECONDS)
    cluster.until("everything to be well", lambda: truth.is_true(cluster, namespaces[0]), truth.SECONDS)
    reference = outcome(cluster, namespaces[0])
    policies = truth.policies(cluster, namespaces[0])
    assert set(policies) == {"outrigger-default", "outrigger-app", "outrigger-notebooks", "outrigger-app.notebooks"}
    for namespace, order in zip(namespaces, orders):
        sequence = [f"{kind} {name}" for kind, name, _ in order]
        try:
            cluster.until("the same", lambda: outcome(cluster, namespace) == reference, truth.SECONDS)
        except TimeoutError:
            assert outcome(cluster, namespace) == reference, sequence
    # Deleted in any order: nothing is left, except for a while what pods of a rollout would soon need again.
    for namespace in namespaces:
        for kind, name, _ in chance.sample(steps, len(steps)):
            cluster.api.delete(kind, namespace, name, gracePeriodSeconds=0)
    for namespace in namespaces:
        cluster.until("nothing to be left", lambda: set(truth.policies(cluster, namespace)) <= LINGER, truth.SECONDS)


def settled(cluster, operator, namespace):
    """Waits until all is Ready and nothing is written any more. Returns the versions of everything."""
    # Objects of other tests are removed with their policies.
    cluster.until("no namespace to be going", lambda: not going(cluster), truth.SECONDS)
    cluster.until("everything to be well", lambda: truth.is_true(cluster, namespace), truth.SECONDS)
    for _ in range(20):
        before = writes(operator)
        renewed(cluster)
        if writes(operator) == before:
            return truth.versions(cluster, namespace)
    raise TimeoutError("something is written all the time")


def going(cluster):
    return [one for one in cluster.api.list("Namespace") if "deletionTimestamp" in one["metadata"]]


def renewed(cluster):
    """Waits for a renewal of the leader's Lease, as a clock for a cluster in which nothing happens."""
    before = cluster.api.get("Lease", "outrigger-system", "outrigger")["spec"]["renewTime"]
    cluster.api.until("Lease", "outrigger-system", "outrigger", lambda lease: lease["spec"]["renewTime"] != before)


def writes(operator):
    return operator.metric("outrigger_operator_writes_total")


def looked_again(cluster, namespace, name):
    """Creates an object. Once the operator has reported on it, it has processed everything before."""
    cluster.api.apply(mock(namespace, name))
    cluster.api.until("LLMProvider", namespace, name, truth.is_ready, truth.SECONDS)


def test_an_unchanged_apply_writes_nothing(cluster, operator, namespace):
    elsewhere = f"{namespace[:50]}-other"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})
    for document in documents():
        put(cluster, namespace, *document)
    before = settled(cluster, operator, namespace)
    for document in documents():
        put(cluster, namespace, *document)
    looked_again(cluster, elsewhere, "marker")
    assert truth.versions(cluster, namespace) == before
    # Another manager's apply with the same content changes only the object's resource version.
    for document in documents():
        put(cluster, namespace, *document, manager="another")
    looked_again(cluster, elsewhere, "another-marker")
    after = truth.versions(cluster, namespace)
    assert [which for which in before if which[0] == "ConfigMap" and after[which] != before[which]] == []
    moved = truth.versions(cluster, namespace)
    looked_again(cluster, elsewhere, "third-marker")
    assert truth.versions(cluster, namespace) == moved
    for object in truth.objects(cluster, namespace):
        ours = [one for one in object["metadata"]["managedFields"] if one["manager"] == "outrigger"]
        assert [one.get("subresource") for one in ours] == ["status"], "it owns statuses, and nothing else"
    cluster.api.delete("Namespace", None, elsewhere)


def test_a_steady_cluster_is_not_written_to(cluster, operator, namespace):
    for document in documents():
        put(cluster, namespace, *document)
    settled(cluster, operator, namespace)
    before, patches = writes(operator), patched(operator)
    for _ in range(3):
        renewed(cluster)
    assert (writes(operator), patched(operator)) == (before, patches)
    # One change costs a write for each policy, and two for each object of those: processed, and programmed. One
    # conflict is possible.
    put(cluster, namespace, "LLMProvider", "openai", changed(documents()))
    settled(cluster, operator, namespace)
    policies, objects = len(truth.policies(cluster, namespace)), len(truth.objects(cluster, namespace))
    spent = patched(operator) - patches
    assert policies < spent <= policies + 3 * objects, spent


def patched(operator):
    return operator.metric("outrigger_operator_api_requests_total", verb="patch")


def changed(found):
    text = next(text for kind, name, text in found if (kind, name) == ("LLMProvider", "openai"))
    other = text.replace("Hello from", "Good day from")
    assert other != text
    return other


def test_two_managers_do_not_fight(cluster, operator, namespace):
    for document in documents():
        put(cluster, namespace, *document)
    settled(cluster, operator, namespace)
    mine = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "outrigger-app",
            "namespace": namespace,
            "labels": {"theirs": "yes"},
            "annotations": {"example.org/theirs": "yes"},
        },
    }
    cluster.api.apply(mine, manager="gitops")
    status = {"conditions": [{
        "type": "Reviewed", "status": "True", "reason": "Read", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}
    theirs = outrigger("VirtualKey", namespace, "app") | {"status": status}
    where = path("VirtualKey", namespace, "app", "status")
    query = {"fieldManager": "gitops", "force": "true"}
    del theirs["spec"]
    answer = cluster.api.sound(cluster.api.ask("PATCH", where, theirs, "application/apply-patch+yaml", **query))
    assert any(one["type"] == "Reviewed" for one in answer.body["status"]["conditions"])
    # Both write again, and each keeps its own fields.
    put(cluster, namespace, "LLMProvider", "openai", changed(documents()))
    cluster.until(
        "the change",
        lambda: "Good day" in json.dumps(truth.policies(cluster, namespace)["outrigger-app"][2]),
        truth.SECONDS,
    )
    before = settled(cluster, operator, namespace)
    cluster.api.apply(mine, manager="gitops")
    cluster.api.sound(cluster.api.ask("PATCH", where, theirs, "application/apply-patch+yaml", **query))
    after = settled(cluster, operator, namespace)
    assert after[("ConfigMap", "outrigger-app")] == before[("ConfigMap", "outrigger-app")]
    metadata = cluster.api.get("ConfigMap", namespace, "outrigger-app")["metadata"]
    assert metadata["labels"]["theirs"] == "yes" and metadata["annotations"]["example.org/theirs"] == "yes"
    seen = cluster.api.get("VirtualKey", namespace, "app")
    assert any(one["type"] == "Reviewed" for one in seen["status"]["conditions"]) and truth.is_ready(seen)
