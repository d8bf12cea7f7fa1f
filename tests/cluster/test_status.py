"""Conditions are true: for people, `kubectl wait` and kstatus."""

import pytest

from chart import without_validation
from gateway_process import GatewayProcess
from objects import ASKS, condition, key, mock, outrigger, pod

TRUE = ("Accepted", "ResolvedRefs", "Programmed", "Ready")


@pytest.fixture(autouse=True)
def running(operator):
    """All these tests need the operator."""


def until(cluster, object, holds):
    """Waits for `holds(object)` with the latest generation."""
    meta = object["metadata"]

    def current(one):
        status = (one or {}).get("status", {})
        return status.get("observedGeneration") == one["metadata"]["generation"] and holds(one)

    return cluster.api.until(object["kind"], meta["namespace"], meta["name"], current)


def is_true(*types):
    return lambda one: all((condition(one, type) or ("",))[0] == "True" for type in types)


def is_false(type, reason):
    return lambda one: (condition(one, type) or ("", ""))[:2] == ("False", reason)


def test_valid_objects_are_ready(cluster, namespace):
    for object in (
        mock(namespace),
        key(namespace),
        outrigger("RoutingRule", namespace, "all", targets=[{"provider": "openai"}]),
        outrigger("Budget", namespace, "team", amount="5.00", window="Month"),
        outrigger("ModelCatalog", namespace, "models", models=[{"name": "a"}]),
    ):
        cluster.api.apply(object)
        seen = until(cluster, object, is_true(*TRUE))
        assert condition(seen, "Programmed")[1] == "NoSidecars"
        assert condition(seen, "Stalled") is None or condition(seen, "Stalled")[0] == "False"
    output = cluster.kubectl("wait", "llmp,vkey,rrule,llmb,llmc", "--all", "-n", namespace, "--for=condition=Ready", "--timeout=30s")
    assert output.count("condition met") == 5


@pytest.mark.parametrize("kind, spec, type, reason", [
    ("VirtualKey", {"providers": [{"name": "nowhere"}]}, "ResolvedRefs", "RefNotFound"),
    ("VirtualKey", {"budgetRefs": [{"name": "nowhere"}]}, "ResolvedRefs", "RefNotFound"),
    (
        "LLMProvider",
        {"type": "OpenAI", "credentials": [{"name": "main", "secretRef": {"name": "nowhere"}}]},
        *("ResolvedRefs", "SecretNotFound"),
    ),
    ("Budget", {"amount": "5.00", "window": "Day", "timeZone": "Europe/Atlantis"}, "Accepted", "Invalid"),
])
def test_invalid_objects_have_a_reason(cluster, namespace, kind, spec, type, reason):
    object = outrigger(kind, namespace, "broken", **spec)
    # The webhook refuses invalid objects. They may have been stored before it existed.
    with without_validation(cluster):
        cluster.api.apply(object)
    seen = until(cluster, object, is_false(type, reason))
    ready = condition(seen, "Ready")
    assert ready[0] == "False" and ready[2]
    # For a while, a missing reference may only be a matter of order.
    assert type == "ResolvedRefs" or condition(seen, "Stalled")[:2] == ("True", reason)


def test_gateways_are_counted(cluster, operator, namespace):
    provider, virtual_key = mock(namespace), key(namespace)
    cluster.api.apply(provider)
    cluster.api.apply(virtual_key)
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", app.sequence)
        for object in (provider, virtual_key):
            seen = until(cluster, object, lambda one: one["status"].get("sidecars", {}).get("summary") == "1/1")
            assert is_true(*TRUE)(seen) and condition(seen, "Programmed")[1] == "Programmed"
        shown = cluster.kubectl("get", "vkey", "-n", namespace)
        assert "SIDECARS" in shown and "1/1" in shown


def test_a_status_is_written_once(cluster, namespace):
    provider = mock(namespace)
    cluster.api.apply(provider)
    seen = until(cluster, provider, is_true(*TRUE))
    # A change of another object does not affect this one.
    other = mock(namespace, "other")
    cluster.api.apply(other)
    until(cluster, other, is_true(*TRUE))
    again = cluster.api.get("LLMProvider", namespace, "openai")
    assert again["metadata"]["resourceVersion"] == seen["metadata"]["resourceVersion"]


def test_events_report_changes(cluster, namespace):
    broken = key(namespace, "broken", providers=[{"name": "nowhere"}])
    cluster.api.apply(broken)
    until(cluster, broken, is_false("ResolvedRefs", "RefNotFound"))
    cluster.wait_for_event(namespace, "VirtualKey", "broken", "RefNotFound")


def test_deleting_a_used_object_is_a_warning(cluster, namespace):
    cluster.api.apply(mock(namespace))
    named = key(namespace, providers=[{"name": "openai"}])
    cluster.api.apply(named)
    until(cluster, named, is_true(*TRUE))
    where = f"/apis/outrigger.dev/v1alpha1/namespaces/{namespace}/llmproviders/openai"
    answer = cluster.api.ask("DELETE", where, dryRun="All")
    assert answer.status == 200 and any("default" in warning for warning in answer.warnings), answer.warnings
    cluster.api.sound(cluster.api.ask("DELETE", where))
    until(cluster, named, is_false("ResolvedRefs", "RefNotFound"))


def test_a_rule_whose_tests_fail_is_refused(cluster, namespace):
    cluster.api.apply(mock(namespace, "one"))
    cluster.api.apply(mock(namespace, "two"))
    cluster.api.apply(key(namespace))
    wrong = outrigger(
        *("RoutingRule", namespace, "wrong"),
        targets=[{"provider": "one"}],
        tests=[{"name": "to the other", "request": {"model": "gpt-4o"}, "expect": {"provider": "two"}}],
    )
    until(cluster, key(namespace), is_true(*TRUE))
    answer = cluster.api.try_apply(wrong)
    assert answer.status in (400, 403, 422) and "to the other" in answer.message, answer
