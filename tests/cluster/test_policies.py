"""From an object to what a gateway does: at once, the last good version where a new one can't be used, and never back."""

import base64
import gzip
import json

import pytest

from chart import without_validation
from gateway_process import GatewayProcess
from objects import ASKS, key, mock, outrigger, pod, secret

TO_OTHER = {"x-to": "other"}


@pytest.fixture
def apply(cluster):
    return cluster.api.apply


def gateway(operator, namespace, name="app", **annotations):
    return GatewayProcess(operator, pod(namespace, name, ASKS | annotations))


def written(cluster, namespace, name="default"):
    """(sequence, digest, document) of a binding's ConfigMap."""
    found = cluster.api.get("ConfigMap", namespace, f"outrigger-{name}")
    annotations = found["metadata"]["annotations"]
    document = json.loads(found["data"]["policy.v1.json"])
    return int(annotations["outrigger.dev/sequence"]), annotations["outrigger.dev/digest"], document


def test_a_change_is_served_at_once(cluster, operator, namespace, apply):
    apply(mock(namespace, reply="one"))
    apply(key(namespace))
    with gateway(operator, namespace) as app:
        app.until("the first words", lambda: app.says() == "one")
        first = app.sequence()
        apply(mock(namespace, reply="two"))
        app.until("the new words", lambda: app.says() == "two")
        assert app.sequence() > first
        sequence, _, document = written(cluster, namespace)
        assert (sequence, document["sequence"]) == (app.sequence(), sequence)
        # After it has settled, the provider is deleted.
        cluster.api.delete("LLMProvider", namespace, "openai")
        app.until("the refusal", lambda: app.says() != "two")


def test_an_irrelevant_change_writes_nothing(cluster, operator, namespace, apply):
    apply(mock(namespace))
    apply(key(namespace))
    before = cluster.api.until("ConfigMap", namespace, "outrigger-default", bool)["metadata"]
    operator.stop()
    operator.start()
    # First a change that no policy depends on, then one for another policy. When that is written, the first was
    # processed.
    cluster.api.merge("VirtualKey", namespace, "default", {"metadata": {"labels": {"seen": "true"}}})
    apply(key(namespace, "second"))
    cluster.api.until("ConfigMap", namespace, "outrigger-second", bool)
    after = cluster.api.get("ConfigMap", namespace, "outrigger-default")["metadata"]
    assert after["resourceVersion"] == before["resourceVersion"]


def test_an_invalid_version_is_not_served_and_the_last_good_one_is(cluster, operator, namespace, apply):
    apply(mock(namespace, "openai", "one"))
    apply(mock(namespace, "other", "other"))
    apply(key(namespace))
    rule = {"targets": [{"provider": "other"}], "priority": 1}
    apply(outrigger("RoutingRule", namespace, "all", when='headers["x-to"] == "other"', **rule))
    with gateway(operator, namespace) as app:
        app.until("the rule", lambda: app.says(**TO_OTHER) == "other")
        # Without the webhook, which would refuse it.
        with without_validation(cluster):
            apply(outrigger("RoutingRule", namespace, "all", when="headers[", **rule))
        # The next change takes effect, and the rule stays.
        apply(mock(namespace, "other", "another"))
        app.until("the next change", lambda: app.says(**TO_OTHER) == "another")
        # Also after a restart of the operator, which has never seen the good version.
        operator.stop()
        operator.start()
        apply(mock(namespace, "other", "last"))
        app.until("the change after", lambda: app.says(**TO_OTHER) == "last")
        # A deleted rule no longer applies.
        cluster.api.delete("RoutingRule", namespace, "all")
        app.until("no rule", lambda: app.rules() == [])


def test_credentials_arrive_by_the_stream_and_are_removed_at_once(cluster, operator, namespace, apply):
    def provider(**credentials):
        listed = [{"name": name, "secretRef": {"name": name}} | more for name, more in credentials.items()]
        # A port without a listener: a request with a credential gets as far as this.
        return outrigger(
            "LLMProvider", namespace, "openai", type="OpenAI", endpoint="http://127.0.0.1:9", credentials=listed
        )

    apply(secret(namespace, "first", apiKey="sk-first"))
    apply(secret(namespace, "second", apiKey="sk-second"))
    apply(provider(first={}, second={}))
    apply(key(namespace))
    with gateway(operator, namespace) as app:
        app.until("both", lambda: app.credentials() == {"first": True, "second": True})
        assert app.says() == "upstream_unreachable"
        before = app.sequence()
        apply(secret(namespace, "first", apiKey="sk-another"))
        app.until("the rotated credential", lambda: app.sequence() > before)
        # Never in an object that others may read.
        found = cluster.api.get("ConfigMap", namespace, "outrigger-default")
        sources = gzip.decompress(base64.b64decode(found["binaryData"]["sources.v1.json.gz"])).decode()
        assert "sk-" not in json.dumps(found) and "sk-" not in sources
        assert "sk-" not in operator.daemon.log.read_text() + app.daemon.log.read_text()
        # A removed credential is gone at once. A deleted Secret may be a mistake, so the value stays until it is
        # suspended.
        apply(provider(first={}))
        app.until("one to be gone", lambda: app.credentials() == {"first": True})
        cluster.api.delete("Secret", namespace, "first")
        apply(key(namespace, team="another"))
        app.until("the next change", lambda: app.served()["policy"]["keys"][0].get("team") == "another")
        assert app.says() == "upstream_unreachable"
        apply(provider(first={"suspended": True}))
        app.until("nothing to ask with", lambda: app.says() == "provider_blocked")


def test_keys_use_providers_of_other_namespaces_that_allow_them(cluster, operator, namespace, apply):
    platform = f"{namespace}-platform"[:60]
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": platform}})
    shared = mock(platform, "openai", "shared", allowedNamespaces={"from": "Selector", "selector": {"matchLabels": {"llm": "yes"}}})
    apply(shared)
    apply(key(namespace, providers=[{"name": "openai", "providerRef": {"name": "openai", "namespace": platform}}]))
    with gateway(operator, namespace) as app:
        app.until("a policy", app.sequence)
        assert app.says() != "shared"
        cluster.api.merge("Namespace", None, namespace, {"metadata": {"labels": {"llm": "yes"}}})
        app.until("to be let in", lambda: app.says() == "shared")
        cluster.api.merge("Namespace", None, namespace, {"metadata": {"labels": {"llm": None}}})
        app.until("to be shut out", lambda: app.says() != "shared")
    cluster.api.delete("Namespace", None, platform)


def test_any_order_of_apply_has_the_same_result(cluster, operator, namespace, apply):
    # First a gateway whose key does not exist, then the key, then its providers, and last the Secret.
    with gateway(operator, namespace, **{"virtual-key": "team"}) as app:
        app.until("a policy, though there is no key", app.sequence)
        assert app.says() == "virtual_key_required"
        apply(key(namespace, "team", providers=[{"name": "openai"}]))
        apply(mock(namespace, "openai", "there"))
        app.until("an answer", lambda: app.says() == "there")


def test_a_pod_without_a_key_uses_providers_that_allow_it(cluster, operator, namespace, apply):
    apply(mock(namespace, "closed", "closed"))
    with gateway(operator, namespace) as app:
        app.until("a policy", app.sequence)
        assert app.says() != "closed"
        apply(mock(namespace, "open", "open", withoutKey="Allow"))
        app.until("an answer", lambda: app.says() == "open")
