"""Gateways share a budget through the operator's ledger, with any number of pods and any leader."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from gateway_process import GatewayProcess
from objects import ASKS, key, mock, pod
from operator_process import OperatorProcess

BUDGET_CENTS = 100
# The price of an output token. Input tokens are free.
CENTS = 1
MODEL = {"name": "gpt-4o", "price": {"inputPerMillion": "0", "outputPerMillion": "10000.00"}}


@pytest.fixture
def second(cluster, operator, installed):
    kubeconfig, _ = installed
    with OperatorProcess(cluster, kubeconfig, *operator.flags, name="second") as second:
        yield second


def budgeted(cluster, namespace):
    cluster.api.apply(mock(namespace, reply="Hello.", models=[MODEL]))
    budget = {"name": "total", "amount": f"{BUDGET_CENTS / 100:.2f}", "window": "Lifetime"}
    cluster.api.apply(key(namespace, limits={"budgets": [budget], "maxOutputTokens": 4}))


def spend(app, most=500):
    """Sends requests until the budget is spent, at most `most`. Returns the cost of the replies in cents."""
    cents = 0
    for _ in range(most):
        status, answer = app.chat()
        if status == 200:
            cents += answer["usage"]["completion_tokens"] * CENTS
        elif status == 402:
            return cents
        else:
            # Others hold the rest, or no leader grants for a moment.
            assert answer["error"]["type"] in ("budget_contended", "budget_unavailable"), answer
    return cents


def spend_all(apps, most=500):
    with ThreadPoolExecutor(len(apps)) as pool:
        return sum(pool.map(lambda app: spend(app, most), apps))


def gateways(stack, operator, namespace, names):
    apps = [stack.enter_context(GatewayProcess(operator, pod(namespace, name, ASKS))) for name in names]
    for app in apps:
        app.until("a policy", lambda app=app: app.is_connected() and app.sequence() > 0)
    return apps


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
