"""Gateways share a budget through the operator's ledger, with any number of pods and any leader."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal

import pytest

from operator_process import OperatorProcess
from spending import BUDGET_CENTS, CAP, CENTS, Load, amount, budgeted, gateways, spend, spend_all

# Goes for a while under the load of a test.
PLENTY_CENTS = 1_000_000
# On a quiet machine it takes less than a second. Tests run on busy ones.
RAISED_SECONDS = 5


@pytest.fixture(autouse=True)
def running(operator):
    """Restarts it if the previous test ended it."""
    operator.as_a_kubelet_would()


@pytest.fixture
def second(cluster, operator, installed):
    kubeconfig, _ = installed
    with OperatorProcess(cluster, kubeconfig, *operator.flags, name="second") as second:
        yield second


def test_pods_share_a_budget_and_later_ones_find_it_spent(cluster, operator, namespace):
    budgeted(cluster, namespace)
    with ExitStack() as stack:
        apps = gateways(stack, operator, namespace, ["one", "two", "three"])
        spent = spend_all(apps)
        assert 0.95 * BUDGET_CENTS <= spent <= BUDGET_CENTS
        # As after a rollout, or in the next run of a CronJob.
        (late,) = gateways(stack, operator, namespace, ["late"])
        assert spent + spend(late) <= BUDGET_CENTS
    shards = cluster.api.list("LedgerShard", "outrigger-system")
    assert shards and all(len(shard["spec"]["record"]) < 100_000 for shard in shards)


def test_the_next_leader_continues_the_account(cluster, operator, second, namespace):
    budgeted(cluster, namespace)
    first, other = (operator, second) if operator.leads() else (second, operator)
    with ExitStack() as stack:
        # A follower sends them to the leader.
        apps = gateways(stack, other, namespace, ["one", "two"])
        spent = spend_all(apps, most=5)
        first.stop()
        other.until("it to lead", other.leads)
        for app in apps:
            app.until("the next leader", app.is_connected)
        spent += spend_all(apps)
        assert 0.95 * BUDGET_CENTS <= spent <= BUDGET_CENTS
        first.start()


def free_requests(app):
    """How many requests the gateway can reserve for without asking."""
    (limit,) = json.loads(app.get("/policy")[1])["limits"]
    return int(Decimal(limit["granted"]) * 100) // (CAP * CENTS)


def test_a_change_of_leaders_costs_no_request(cluster, operator, second, namespace):
    budgeted(cluster, namespace, PLENTY_CENTS)
    first, other = (operator, second) if operator.leads() else (second, operator)
    with ExitStack() as stack:
        apps = gateways(stack, other, namespace, ["one", "two", "three"])
        for app in apps:
            app.until("money", lambda app=app: app.chat()[0] == 200)
        with Load(apps) as load:
            other.until("load", load.has_sent(300))
            # A gateway that holds nothing when the leader goes has to refuse. So each of them holds some seconds' worth of
            # a slow load: on a busy machine a change of leaders takes seconds.
            load.pace = 5
            for app in apps:
                app.until("something to hold", lambda app=app: free_requests(app) >= 6)
            first.stop()
            other.until("it to lead", other.leads)
            for app in apps:
                app.until("the next leader", app.is_connected)
            load.pace = 0
            other.until("load after that", load.has_sent(50))
        assert load.errors == []
        first.start()


def test_a_killed_leader_costs_no_request_while_something_is_held(cluster, operator, second, namespace):
    budgeted(cluster, namespace, PLENTY_CENTS)
    first, other = (operator, second) if operator.leads() else (second, operator)
    with ExitStack() as stack:
        (app,) = gateways(stack, other, namespace, ["one"])
        app.until("money", lambda: app.chat()[0] == 200)
        with Load([app]) as load:
            app.until("load", load.has_sent(100))
        # Its Lease is not released, so no replica grants for a quarter of a minute.
        first.kill()
        held = free_requests(app)
        assert held > 0
        assert {app.chat()[0] for _ in range(held)} == {200}
        other.until("it to lead", other.leads)
        app.until("the next leader", app.is_connected)
        app.until("an answer that the next leader has paid for", lambda: app.chat()[0] == 200)
        first.start()


def test_a_raised_budget_lets_requests_through_at_once(cluster, operator, namespace):
    budgeted(cluster, namespace, 20)
    with ExitStack() as stack:
        apps = gateways(stack, operator, namespace, ["one", "two"])
        spent = spend_all(apps)
        assert spent <= 20
        first = {}

        def until_answered(app):
            while (answer := app.chat())[0] != 200:
                pass
            first[app.name] = time.monotonic()
            return answer[1]["usage"]["completion_tokens"] * CENTS

        with ThreadPoolExecutor(len(apps)) as pool:
            asking = [pool.submit(until_answered, app) for app in apps]
            began = time.monotonic()
            amount(cluster, namespace, 100)
            spent += sum(one.result() for one in asking)
        took = max(first.values()) - began
        print(f"after {took:.2f} s")
        assert took < RAISED_SECONDS
        spent += spend_all(apps)
        assert 0.95 * 100 <= spent <= 100
