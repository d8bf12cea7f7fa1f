"""Operators are killed and replaced at every step: gateways keep serving and never go back, and statuses are
true."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

import truth
from api import path
from authority import Authority, encoded
from gateway_process import GatewayProcess
from objects import ASKS, key, mock, outrigger, pod, secret
from operator_process import OperatorProcess
from witness import Witness

LEASE = ("Lease", "outrigger-system", "outrigger")


@pytest.fixture(autouse=True)
def running(operator):
    """Restarts it if the previous test ended it."""
    operator.as_a_kubelet_would()


@pytest.fixture
def apply(cluster):
    return cluster.api.apply


@pytest.fixture
def second(cluster, operator, installed):
    kubeconfig, _ = installed
    with OperatorProcess(cluster, kubeconfig, name="second") as second:
        yield second


def killed(cluster, operator, kind, namespace, name, holds):
    """Waits in its own thread for the first event on this object for which `holds` is true, and kills the operator
    at once."""
    where = {"fieldSelector": f"metadata.name={name}"}
    since = cluster.api.sound(cluster.api.ask("GET", path(kind, namespace))).body["metadata"]["resourceVersion"]
    begun = threading.Event()

    def wait():
        begun.set()
        for event in cluster.api.events(kind, namespace, truth.SECONDS, resourceVersion=since, **where):
            if event["type"] in ("ADDED", "MODIFIED") and holds(event["object"]):
                operator.kill()
                return True
        return False

    pool = ThreadPoolExecutor(1)
    waiting = pool.submit(wait)
    begun.wait()
    return waiting


def restore(cluster, operator, namespace, app, word):
    operator.start()
    app.until(f"“{word}”", lambda: app.says() == word, truth.SECONDS)
    app.until("the truth", lambda: truth.is_true(cluster, namespace, app), truth.SECONDS)


def anything(_):
    return True


def test_killed_at_any_step_of_a_change(cluster, operator, namespace, apply):
    def change(word):
        """A change of everything that is written for it: policy, Secret, statuses."""
        apply(secret(namespace, "main", apiKey=f"sk-{word}"))
        listed = [{"name": "main", "secretRef": {"name": "main"}}]
        apply(outrigger("LLMProvider", namespace, "paid", type="OpenAI", credentials=listed, endpoint="http://127.0.0.1:9"))
        apply(key(namespace, team=word.replace(" ", "-"), providers=[{"name": "openai"}, {"name": "paid"}]))
        apply(mock(namespace, reply=word))

    apply(outrigger("RoutingRule", namespace, "all", targets=[{"provider": "openai"}]))
    change("begun")
    steps = {
        "policy": ("ConfigMap", "outrigger-default", anything),
        "credentials": ("Secret", "outrigger-default", anything),
        "provider": ("LLMProvider", "openai", truth.is_current),
        "key": ("VirtualKey", "default", truth.is_current),
    }
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "begun")
        app.until("the truth", lambda: truth.is_true(cluster, namespace, app))
        with Witness(app) as witness:
            # Before any effect.
            change("at once")
            operator.kill()
            restore(cluster, operator, namespace, app, "at once")
            for word, (kind, name, holds) in steps.items():
                waiting = killed(cluster, operator, kind, namespace, name, holds)
                change(word)
                assert waiting.result(), f"no {kind} was written"
                restore(cluster, operator, namespace, app, word)
            # Pushed, but the acceptance is not reported yet.
            change("pushed")
            app.until("the push", lambda: app.says() == "pushed")
            operator.kill()
            restore(cluster, operator, namespace, app, "pushed")
        assert witness.words[-1] == "pushed"
    # Only what pods of a Deployment would soon need again is left, and no credential.
    cluster.api.delete("VirtualKey", namespace, "default")
    secrets = lambda: cluster.api.list("Secret", namespace, labelSelector=truth.OURS)  # noqa: E731
    cluster.until("no credential to be left", lambda: secrets() == [], truth.SECONDS)
    assert set(truth.policies(cluster, namespace)) <= {"outrigger-default"}


def test_killed_at_any_step_of_a_rotation(cluster, operator, namespace, apply, tmp_path):
    certificates = ("Secret", "outrigger-system", "outrigger-certificates")

    def killed_once(name):
        return killed(cluster, operator, *certificates, lambda secret: name in secret["data"])

    apply(mock(namespace, reply="one"))
    apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        with Witness(app):
            # The next authority, ten years from now: it signs only once all gateways have it.
            following = Authority(tmp_path / "next")
            spread = killed_once("next.since")
            data = {"next.crt": following.bundle(), "next.key": encoded(following.key)}
            cluster.api.merge(*certificates, {"data": data})
            assert spread.result(), "no gateway got the next authority"
            promoted = killed_once("retired.crt")
            operator.start()
            # The gateway's files are late, as from a kubelet: it must see them before a new certificate is issued.
            cluster.until("the next to sign", lambda: app.mount() or promoted.done(), truth.SECONDS)
            assert promoted.result()
            operator.start()
            app.until("its stream, under the next authority", app.is_connected, truth.SECONDS)
            apply(mock(namespace, reply="two"))
            app.until("what is new", lambda: app.says() == "two", truth.SECONDS)
            cluster.until("the truth", lambda: truth.is_true(cluster, namespace, app), truth.SECONDS)
        # And the API server trusts it.
        cluster.until("webhooks", lambda: cluster.api.create(pod(namespace, "other", ASKS), dryRun="All").status == 201)


def leader(cluster):
    return (cluster.api.get(*LEASE) or {"spec": {}})["spec"].get("holderIdentity")


def led_by_one(cluster, *replicas):
    """The leader by the Lease and by its own metrics, and no other replica."""

    def is_led():
        leading = [one for one in replicas if one.leads()]
        return len(leading) == 1 and leading[0].name == leader(cluster) and leading[0]

    return cluster.until("one leader", is_led, truth.SECONDS)


def restarted(replicas):
    """As kubelets do. A process ends with the thread that starts it, so only this one starts processes."""
    for one in replicas:
        one.as_a_kubelet_would()


class Writer:
    """Changes a provider all the time, from its own thread."""

    def __init__(self, cluster, namespace):
        self.api, self.namespace = cluster.client(*cluster.admin), namespace
        self.done, self.count = threading.Event(), 0
        self.thread = threading.Thread(target=self.write, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(truth.SECONDS)

    def write(self):
        while not self.done.wait(0.05):
            self.count += 1
            self.api.apply(mock(self.namespace, reply=f"{self.count}"))

    def last(self):
        """The last reply, once there are no more changes."""
        self.__exit__()
        return f"{self.count}"


def test_leaders_change_under_load(cluster, operator, second, namespace, apply):
    replicas = [operator, second]
    apply(mock(namespace, reply="0"))
    for name in ("default", "team"):
        apply(key(namespace, name))

    def ended(leading, other):
        leading.stop()

    def killed(leading, other):
        leading.kill()
        # The holder's clock is ten minutes ahead. The others respect the Lease by their own clocks.
        cluster.api.merge(*LEASE, {"spec": {"holderIdentity": "none", "renewTime": in_minutes(10)}})

    def taken_over(leading, other):
        cluster.api.merge(*LEASE, {"spec": {"holderIdentity": "thief", "renewTime": in_minutes(-10), "leaseDurationSeconds": 1}})
        cluster.until("it to end itself", lambda: leading.daemon.process.poll() is not None, truth.SECONDS)

    def deleted(leading, other):
        cluster.api.delete(*LEASE)
        cluster.until("it to end itself", lambda: leading.daemon.process.poll() is not None, truth.SECONDS)

    def both(leading, other):
        for one in (leading, other):
            one.kill()

    apps = [
        GatewayProcess(one, pod(namespace, f"app-{at}", ASKS | {"virtual-key": name}))
        for at, (one, name) in enumerate([(operator, "default"), (second, "default"), (second, "team")])
    ]
    with ExitStack() as running:
        for app in apps:
            running.enter_context(app)
        for app in apps:
            app.until("a policy", lambda app=app: app.is_connected() and app.says() == "0")
        witnesses = [running.enter_context(Witness(app)) for app in apps]
        writer = running.enter_context(Writer(cluster, namespace))
        for fault in (ended, killed, taken_over, deleted, both):
            leading = led_by_one(cluster, *replicas)
            before = [app.sequence() for app in apps]
            fault(leading, next(one for one in replicas if one is not leading))
            restarted(replicas)
            led_by_one(cluster, *replicas)
            for app, sequence in zip(apps, before):
                what = f"what the next leader wrote, after it was {fault.__name__}"
                app.until(what, lambda app=app, sequence=sequence: app.is_connected() and app.sequence() > sequence, truth.SECONDS)
        last = writer.last()
        for app in apps:
            app.until("the last word", lambda app=app: app.says() == last, truth.SECONDS)
        cluster.until("the truth", lambda: truth.is_true(cluster, namespace, *apps), truth.SECONDS)
        for witness in witnesses:
            assert len(witness.sequences) > 5


def test_two_new_replicas_repeat_no_write(cluster, operator, second, namespace, apply):
    replicas = [operator, second]
    apply(mock(namespace, reply="one"))
    apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        cluster.until("the truth", lambda: truth.is_true(cluster, namespace, app), truth.SECONDS)
        # Numbers are updated at most every 15 seconds. A later write of them is not caused by the new replicas.
        for kind, name in (("LLMProvider", "openai"), ("VirtualKey", "default")):
            cluster.api.until(kind, namespace, name, is_counted, truth.SECONDS)
        before = truth.versions(cluster, namespace)
        with Witness(app) as witness:
            for one in replicas:
                one.kill()
            restarted(replicas)
            leading = led_by_one(cluster, *replicas)
            app.until("its stream", app.is_connected, truth.SECONDS)
            # After everything has been checked.
            apply(key(namespace, "later"))
            cluster.api.until("VirtualKey", namespace, "later", truth.is_ready, truth.SECONDS)
            after = truth.versions(cluster, namespace)
        assert {which: after.get(which) for which in before} == before
        assert len(witness.sequences) == 1 and leading.refusals() == []


def is_counted(object):
    return object["status"].get("sidecars", {}).get("connected") == 1


def in_minutes(minutes):
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
