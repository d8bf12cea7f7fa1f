"""Gateways as processes share a budget through two operators and a real API server, while faults happen to all of them.

The records are in Kubernetes objects, or in a real PostgreSQL that is killed too. The provider counts what it bills, and never
bills more than the budget. What it has billed is never forgotten. OUTRIGGER_GATEWAYS sets the number of gateways (`make
test-fleet`: 100), and OUTRIGGER_SEED the order of the faults.
"""

import json
import os
import random
import signal
import threading
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import NamedTuple

import pytest

import chart
from database import Database
from gateway import free_port
from gateway_process import GatewayProcess
from metered_pod import Server
from objects import ASKS, key, outrigger, pod, secret
from operator_process import OperatorProcess
from relay import Relay

GATEWAYS = int(os.environ.get("OUTRIGGER_GATEWAYS", "8"))
SEED = int(os.environ.get("OUTRIGGER_SEED", "1"))
# The budget in output tokens. Input tokens are free.
TOKENS = 250 * GATEWAYS
PRICE = Decimal("0.0004")
MODEL = {"name": "gpt-4o", "price": {"inputPerMillion": "0", "outputPerMillion": "400.00"}}
CAP = 4
# Between two requests of a gateway, so that the money lasts until after the faults, and many gateways share a small machine.
PACE_SECONDS = max(0.3, GATEWAYS / 60)
SECONDS = 180 + 3 * GATEWAYS
# Hardly any: after a backup was restored.
SLOW_SECONDS = 20 * PACE_SECONDS
# What a client may be told. A connection to a gateway that is killed breaks.
TOLD = {"answered", "broken", "budget_exceeded", "budget_contended", "budget_unavailable"}


@pytest.fixture
def meter():
    server = Server(("127.0.0.1", 0))
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield server
    server.shutdown()
    server.server_close()


class Replicas(NamedTuple):
    both: list
    # None if the records are in objects.
    database: Database | None


@pytest.fixture(params=["Kubernetes", "PostgreSQL"])
def replicas(request, cluster, operator, installed):
    """Two replicas with this store. The connections of the second one can be cut."""
    kubeconfig, port = installed
    inner = free_port()
    operator.as_a_kubelet_would()
    with ExitStack() as stack:
        first, database, flags = operator, None, []
        if request.param == "PostgreSQL":
            database = stack.enter_context(Database(cluster))
            flags = ["--ledger", "PostgreSQL", "--ledger-postgresql", database.secret()]
            # Its place is taken: the webhooks' port, and the Lease.
            operator.stop()
            stack.callback(operator.start)
            first = stack.enter_context(OperatorProcess(cluster, kubeconfig, *flags, name="first", port=port))
        second = OperatorProcess(cluster, kubeconfig, *flags, "--listen", f"127.0.0.1:{inner}", name="second")
        second.relay = stack.enter_context(Relay(second.port, inner))
        stack.enter_context(second)
        yield Replicas([first, second], database)
        first.as_a_kubelet_would()
        second.as_a_kubelet_would()
        # Rights were taken away, and an API server that has just started does not know them yet.
        operator.forgive()


class Client:
    """Uses one gateway all the time, as fast as `pace` says."""

    def __init__(self, app):
        self.app, self.pace = app, PACE_SECONDS
        self.told, self.last, self.ended = set(), None, threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.ended.wait(self.pace):
            try:
                status, answer = self.app.chat()
                self.last = "answered" if status == 200 else answer["error"]["type"]
            except (OSError, ValueError):
                self.last = "broken"
            self.told.add(self.last)

    def stop(self):
        self.ended.set()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


class World:
    def __init__(self, cluster, replicas, meter, namespace, stack):
        self.cluster, self.meter, self.namespace, self.stack = cluster, meter.meter, namespace, stack
        self.replicas, self.database = replicas
        self.random, self.made, self.forgotten = random.Random(SEED), 0, 0
        self.clients = {}
        for _ in range(GATEWAYS):
            self.add()

    def add(self):
        """One more pod with its gateway and its client."""
        self.made += 1
        app = GatewayProcess(self.random.choice(self.replicas), pod(self.namespace, f"app-{self.made}", ASKS))
        self.stack.enter_context(app)
        self.clients[app] = Client(app)

    def any_app(self):
        return self.random.choice(list(self.clients))

    def check(self):
        most = TOKENS + self.forgotten
        assert self.meter.tokens <= most, f"{self.meter.tokens} tokens are billed, and at most {most} may be"

    def until(self, what, holds):
        """Replicas that end meanwhile are started again: a leader that loses its Lease ends."""

        def looked():
            self.check()
            for one in self.replicas:
                one.as_a_kubelet_would()
            return holds()

        return self.cluster.until(what, looked, SECONDS)

    def goes_on(self):
        """Waits until ten more answers are billed, or the money is gone."""
        before = self.meter.requests
        self.until("more answers", lambda: self.meter.requests >= before + 10 or self.meter.tokens > 0.9 * TOKENS)

    def leader(self):
        """The replica that leads, once there is one."""
        return self.until("a leader", lambda: [one for one in self.replicas if is_up(one) and one.leads()])[0]

    # The faults.

    def a_gateway_is_killed_and_restarts(self):
        self.any_app().restart()

    def a_pod_is_lost(self):
        app = self.any_app()
        self.clients.pop(app).stop()
        # Ends with its volumes, and another pod takes its place.
        app.__exit__()
        self.add()

    def a_gateway_is_paused(self):
        app = self.any_app()
        with paused(app.daemon):
            self.goes_on()

    def connections_are_cut(self):
        for replica in self.replicas:
            if hasattr(replica, "relay"):
                replica.relay.cut()
        self.goes_on()

    def the_leader_is_stopped(self):
        leader = self.leader()
        leader.stop()
        self.leader()

    def the_leader_is_killed(self):
        leader = self.leader()
        leader.kill()
        self.leader()

    def the_leader_is_paused_until_another_leads(self):
        leader = self.leader()
        (other,) = (one for one in self.replicas if one is not leader)
        with paused(leader.daemon):
            self.until("the other one to lead", other.leads)
            self.goes_on()
        # It finds that it leads no more, and ends; or another leader wrote first.
        self.until("it to follow", lambda: not leader.leads())

    def the_api_server_restarts(self):
        self.cluster.restart_api()
        self.leader()

    def the_cluster_is_restored_from_a_backup(self):
        """What the records say is older than what gateways were granted. They run, and report it once they have found
        the leader: until then the ledger may grant it again, so the clients wait."""
        backed_up = self.meter.tokens
        self.cluster.back_up()
        self.leader()
        self.goes_on()
        self.cluster.restore()
        billed = self.meter.tokens
        # The bound's term D: what was granted since the backup is known again once it is reported and written.
        self.forgotten = billed - backed_up
        for client in self.clients.values():
            client.pace = SLOW_SECONDS
        self.leader()
        self.until("all that was billed to be known", lambda: all(charged(app) >= billed * PRICE for app in self.clients))
        for client in self.clients.values():
            client.pace = PACE_SECONDS

    # Faults of the store. Gateways serve what they hold, and the leader says why there is no more.

    def store_fails(self, fault):
        """Whether the leader says so."""
        name = "outrigger_operator_ledger_store_fault"
        return any(is_up(one) and one.metric(name, fault=fault) == 1 for one in self.replicas)

    def until_named(self, fault):
        self.until(f"the fault `{fault}`", lambda: self.store_fails(fault))

    def until_mended(self, fault):
        self.until(f"the end of the fault `{fault}`", lambda: not self.store_fails(fault))

    def the_right_is_taken_away(self):
        role = ("Role", chart.NAMESPACE, chart.RELEASE)
        rules = self.cluster.api.get(*role)["rules"]
        without = [rule for rule in rules if rule["resources"] != ["ledgershards"]]
        assert len(without) == len(rules) - 1
        self.cluster.api.merge(*role, {"rules": without})
        self.until_named("forbidden")
        self.cluster.api.merge(*role, {"rules": rules})
        self.until_mended("forbidden")

    def the_database_is_killed_and_restarts(self):
        self.database.kill()
        self.until_named("unreachable")
        self.database.resume()
        self.until_mended("unreachable")

    def the_database_takes_no_writes(self):
        self.database.configure("default_transaction_read_only", "on")
        self.until_named("read_only")
        self.database.configure("default_transaction_read_only", "off")
        self.until_mended("read_only")

    def the_table_is_away(self):
        self.database.ask("ALTER TABLE outrigger_ledger_shard RENAME TO away")
        self.until_named("missing")
        self.database.ask("ALTER TABLE away RENAME TO outrigger_ledger_shard")
        self.until_mended("missing")


FAULTS = [
    World.a_gateway_is_killed_and_restarts,
    World.connections_are_cut,
    World.a_gateway_is_paused,
    World.the_leader_is_stopped,
    World.a_pod_is_lost,
    World.the_leader_is_paused_until_another_leads,
    World.the_api_server_restarts,
    World.the_leader_is_killed,
]
OBJECT_FAULTS = [World.the_right_is_taken_away]
DATABASE_FAULTS = [
    World.the_database_is_killed_and_restarts,
    World.the_database_takes_no_writes,
    World.the_table_is_away,
]


def is_up(replica):
    return replica.daemon.process.poll() is None


@contextmanager
def paused(daemon):
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


def charged(app):
    """What is spent, or charged for pods that are gone, as this gateway knows."""
    (limit,) = json.loads(app.get("/policy")[1])["limits"]
    return Decimal(limit["limit"]) - Decimal(limit["available"]) - Decimal(limit["reserved"])


def test_faults_spend_no_more_than_the_budget_and_forget_nothing(cluster, replicas, meter, namespace):
    faults = [*FAULTS, *(DATABASE_FAULTS if replicas.database else OBJECT_FAULTS)]
    assert spend_all(cluster, replicas, meter, namespace, faults).forgotten == 0


def test_a_restored_backup_forgets_no_more_than_was_spent_since_it_was_made(cluster, replicas, meter, namespace):
    spend_all(cluster, replicas, meter, namespace, [World.the_cluster_is_restored_from_a_backup])


def spend_all(cluster, replicas, meter, namespace, faults):
    """Gateways spend a budget, while these faults happen and afterwards until nothing is left."""
    url = f"http://127.0.0.1:{meter.server_address[1]}/v1"
    cluster.api.apply(secret(namespace, "meter", apiKey="sk-of-the-meter"))
    spec = {"type": "OpenAI", "endpoint": url, "credentials": [{"name": "main", "secretRef": {"name": "meter"}}]}
    cluster.api.apply(outrigger("LLMProvider", namespace, "openai", clearTextCredentials="Allow", models=[MODEL], **spec))
    budget = {"name": "total", "amount": str(TOKENS * PRICE), "window": "Lifetime"}
    cluster.api.apply(key(namespace, limits={"budgets": [budget], "maxOutputTokens": CAP}))
    with ExitStack() as stack:
        world = World(cluster, replicas, meter, namespace, stack)
        world.goes_on()
        world.random.shuffle(faults)
        for fault in faults:
            print(fault.__name__, meter.meter.tokens, flush=True)
            fault(world)
            world.goes_on()
        for client in world.clients.values():
            client.pace = 0
        world.until("nobody to get an answer", lambda: all(one.last == "budget_exceeded" for one in world.clients.values()))
        for client in world.clients.values():
            client.stop()
            assert client.told <= TOLD, client.told
        billed = meter.meter.tokens
        print("billed", billed, "of", TOKENS, "and", world.forgotten)
        for app in world.clients:
            app.until("all that was billed", lambda app=app: charged(app) >= (billed - world.forgotten) * PRICE)
        # What a lost pod held stays charged: ten seconds' worth of its requests, and what one reservation takes.
        assert billed >= 0.8 * TOKENS
        return world
