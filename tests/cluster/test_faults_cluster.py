"""Faults of a cluster: the API server is down, forgets, has other writers, and loses objects that gateways
use."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

import truth
from clocks import clock
from gateway_process import GatewayProcess
from objects import ASKS, condition, key, mock, outrigger, pod, secret
from operator_process import OperatorProcess
from upstream import Upstream
from witness import Witness

MINUTE = 60


@pytest.fixture(autouse=True)
def running(operator):
    """Restarts it if the previous test ended it."""
    operator.as_a_kubelet_would()


@pytest.fixture
def apply(cluster):
    return cluster.api.apply


def restored(cluster, namespace, app, word):
    app.until(f"“{word}”", lambda: app.says() == word, truth.SECONDS)
    cluster.until("the truth", lambda: truth.is_true(cluster, namespace, app), truth.SECONDS)


def test_an_api_server_that_is_down_until_no_replica_leads(cluster, operator, namespace, apply):
    apply(mock(namespace, reply="one"))
    apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        restored(cluster, namespace, app, "one")
        assert operator.refusals() == []
        with Witness(app) as witness:
            cluster.stop_api()
            away = time.monotonic()
            # It can't renew its Lease, so it ends. No replica renews, and every watch is gone.
            app.until("the leader to end itself", lambda: operator.daemon.process.poll() is not None, truth.SECONDS)
            app.until("a minute of it", lambda: time.monotonic() > away + MINUTE, truth.SECONDS)
            cluster.resume_api()
            operator.as_a_kubelet_would()
            apply(mock(namespace, reply="two"))
            restored(cluster, namespace, app, "two")
        assert witness.words[-2:] == ["one", "two"]
        operator.forgive()


@contextmanager
def asleep(replica):
    """As on a suspended machine."""
    os.kill(replica.daemon.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(replica.daemon.pid, signal.SIGCONT)


def test_a_replica_that_slept_while_all_watches_expired(cluster, operator, installed, namespace, apply):
    kubeconfig, _ = installed
    apply(mock(namespace, reply="one"))
    apply(key(namespace))
    apply(key(namespace, "goes"))
    with (
        OperatorProcess(cluster, kubeconfig, name="sleeper") as sleeper,
        # It connects to the sleeping replica, as a Service would route it, and was sent to the leader.
        GatewayProcess(sleeper, pod(namespace, "app", ASKS)) as app,
    ):
        restored(cluster, namespace, app, "one")
        cluster.api.until("ConfigMap", namespace, "outrigger-goes", bool)
        with Witness(app):
            with asleep(sleeper):
                cluster.api.delete("VirtualKey", namespace, "goes")
                apply(mock(namespace, reply="two"))
                restored(cluster, namespace, app, "two")
                operator.stop()
                # No replica sees this.
                apply(mock(namespace, reply="three"))
                apply(key(namespace, "comes"))
                cluster.forget_the_past()
                cluster.restart_api()
            restored(cluster, namespace, app, "three")
            cluster.until("the other", sleeper.leads, truth.SECONDS)
            assert set(truth.policies(cluster, namespace)) == {"outrigger-default", "outrigger-comes"}
            sleeper.forgive()
            operator.start()


@pytest.mark.parametrize("seconds", [600, -600], ids=["ahead", "behind"])
def test_clocks_that_are_ten_minutes_off(cluster, operator, installed, namespace, apply, seconds):
    kubeconfig, port = installed
    apply(mock(namespace, reply="one"))
    apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        restored(cluster, namespace, app, "one")
        with Witness(app) as witness:
            operator.stop()
            skewed = OperatorProcess(cluster, kubeconfig, name=f"at{seconds:+}", port=port, env=clock(seconds))
            # It leads, admits a pod and verifies its token, writes, and reports true statuses. The other's clock is off
            # the other way.
            with skewed, GatewayProcess(skewed, pod(namespace, "new", ASKS), clock(-seconds)) as new:
                apply(mock(namespace, reply="two"))
                restored(cluster, namespace, app, "two")
                restored(cluster, namespace, new, "two")
                skewed.forgive()
            operator.start()
            apply(mock(namespace, reply="three"))
            restored(cluster, namespace, app, "three")
        assert witness.words == ["one", "two", "three"]


class Meddler:
    """Writes again and again where the operator writes."""

    def __init__(self, cluster, namespace):
        self.api, self.namespace = cluster.client(*cluster.admin), namespace
        self.done, self.wrong, self.count = threading.Event(), [], 0
        self.thread = threading.Thread(target=self.meddle, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(truth.SECONDS)
        assert self.wrong == [] and self.count > 20

    def meddle(self):
        turns = [
            {"data": {"policy.v1.json": "{}"}},
            {"metadata": {"annotations": {"outrigger.dev/sequence": "1"}}},
            {"metadata": {"annotations": {"outrigger.dev/digest": "none"}}},
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}, "ownerReferences": []}},
            {"data": {"ca.crt": "none", "more": "of it"}, "binaryData": None},
            {"data": {"policy.v1.sig": "{}"}},
        ]
        while not self.done.wait(0.01):
            try:
                self.api.merge("ConfigMap", self.namespace, "outrigger-default", turns[self.count % len(turns)])
                for kind, name in (("LLMProvider", "openai"), ("VirtualKey", "default")):
                    self.api.merge(kind, self.namespace, name, {"status": {"conditions": [], "observedGeneration": 0}}, "status")
                self.count += 1
            except Exception as error:  # noqa: BLE001
                self.wrong.append(repr(error))
                return


def is_whole(cluster, namespace):
    found = cluster.api.get("ConfigMap", namespace, "outrigger-default")
    owners = found["metadata"].get("ownerReferences") or [{}]
    return "BEGIN CERTIFICATE" in found["data"]["ca.crt"] and found.get("binaryData") and owners[0].get("name") == "default"


def test_manual_changes_have_no_effect(cluster, operator, namespace, apply):
    apply(mock(namespace, reply="0"))
    apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        restored(cluster, namespace, app, "0")
        with Witness(app) as witness:
            with Meddler(cluster, namespace) as meddler:
                for word in ("1", "2", "3"):
                    apply(mock(namespace, reply=word))
                    app.until(f"“{word}”, for all that", lambda word=word: app.says() == word, truth.SECONDS)
                app.until("enough of it", lambda: meddler.count > 20, truth.SECONDS)
            restored(cluster, namespace, app, "3")
            # The last change may have been to a part that is not the policy.
            cluster.until("the rest of it", lambda: is_whole(cluster, namespace), truth.SECONDS)
        assert witness.words == ["0", "1", "2", "3"]
    operator.until("nothing left to write", lambda: operator.metric("outrigger_operator_queue_depth", work="write") == 0)


@pytest.mark.parametrize("delivery", ["Stream", "Secret"])
def test_a_credential_comes_and_goes(cluster, operator, namespace, apply, delivery):
    def is_missing(provider):
        return truth.is_current(provider) and condition(provider, "ResolvedRefs")[:2] == ("False", "SecretNotFound")

    with Upstream() as upstream:
        apply(secret(namespace, "main", apiKey="sk-1"))
        credential = {"name": "main", "secretRef": {"name": "main"}}
        apply(outrigger(
            *("LLMProvider", namespace, "openai"),
            **{"type": "OpenAI", "endpoint": f"{upstream.url}/v1", "credentials": [credential], "credentialDelivery": delivery},
        ))
        apply(key(namespace))
        with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:

            def says(word):
                app.mount()
                return app.says() == word

            app.until("the first", lambda: says("sk-1"), truth.SECONDS)
            with Witness(app) as witness:
                cluster.api.delete("Secret", namespace, "main")
                cluster.api.until("LLMProvider", namespace, "openai", is_missing, truth.SECONDS)
                assert says("sk-1")
                # A new operator that never saw the value does not remove it, and a restarted container still has it.
                operator.kill()
                operator.start()
                apply(key(namespace, team="another"))
                app.until("the next change", lambda: app.served()["policy"]["keys"][0].get("team") == "another", truth.SECONDS)
                assert says("sk-1")
                apply(secret(namespace, "main", apiKey="sk-2"))
                app.until("the restored one", lambda: says("sk-2"), truth.SECONDS)
                apply(secret(namespace, "main", apiKey="sk-3"))
                operator.kill()
                operator.start()
                app.until("the rotated one", lambda: says("sk-3"), truth.SECONDS)
                cluster.until("the truth", lambda: truth.is_true(cluster, namespace, app), truth.SECONDS)
            # Whatever else is written, at most one of our Secrets has the value.
            assert witness.words == ["sk-1", "sk-2", "sk-3"]
            made = cluster.api.list("Secret", namespace, labelSelector=truth.OURS)
            assert len(made) == (1 if delivery == "Secret" else 0)


def test_a_namespace_is_deleted_and_made_again(cluster, operator, namespace, apply):
    platform = f"{namespace[:45]}-platform"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": platform}}

    def begin(word):
        apply(made)
        apply(mock(platform, reply=word, allowedNamespaces={"from": "All"}))
        apply(key(platform))
        cluster.api.until("ConfigMap", platform, "outrigger-default", bool, truth.SECONDS)

    begin("one")
    apply(key(namespace, providers=[{"name": "openai", "providerRef": {"name": "openai", "namespace": platform}}]))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        restored(cluster, namespace, app, "one")
        before, (first, *_) = app.sequence(), truth.policies(cluster, platform)["outrigger-default"]
        cluster.api.delete("Namespace", None, platform)
        cluster.api.until("Namespace", None, platform, lambda one: one is None, truth.SECONDS)
        # Deleted objects have no effect, and statuses of others say why.
        app.until("the refusal", lambda: app.says() != "one", truth.SECONDS)
        dependent = cluster.api.until(
            *("VirtualKey", namespace, "default"),
            lambda one: truth.is_current(one) and (condition(one, "ResolvedRefs") or ("",))[0] == "False",
            truth.SECONDS,
        )
        assert platform in condition(dependent, "ResolvedRefs")[2]
        # No retry goes on forever.
        cluster.until("nothing to be left to do", lambda: operator.metric("outrigger_operator_queue_depth", work="write") == 0, truth.SECONDS)
        begin("two")
        restored(cluster, namespace, app, "two")
        assert app.sequence() > before and truth.policies(cluster, platform)["outrigger-default"][0] > first
    cluster.api.delete("Namespace", None, platform)
