"""Two replicas: both answer webhooks, one is the leader, and the other takes over without a policy going
back."""

import pytest

from gateway_process import GatewayProcess
from objects import ASKS, key, mock, pod
from operator_process import OperatorProcess


@pytest.fixture
def second(cluster, operator, installed):
    kubeconfig, _ = installed
    with OperatorProcess(cluster, kubeconfig, name="second") as second:
        yield second


def leader(cluster):
    return cluster.api.get("Lease", "outrigger-system", "outrigger")["spec"].get("holderIdentity")


def test_the_other_one_takes_over(cluster, operator, second, namespace):
    assert leader(cluster) == operator.name
    cluster.api.apply(mock(namespace, reply="one"))
    cluster.api.apply(key(namespace))
    # A call to the follower is sent to the leader.
    with GatewayProcess(second, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        before = app.sequence()
        # Ended as a pod is, so its Lease is free at once.
        operator.stop()
        cluster.api.until(
            "Lease", "outrigger-system", "outrigger", lambda lease: lease["spec"].get("holderIdentity") == second.name
        )
        assert app.says() == "one"
        cluster.api.apply(mock(namespace, reply="two"))
        app.until("the next leader's word", lambda: app.says() == "two")
        assert app.sequence() > before
        operator.start()
        # It is back, and is not the leader.
        assert leader(cluster) == second.name


def test_a_leader_that_is_gone_is_replaced(cluster, operator, second, namespace):
    first, other = (operator, second) if leader(cluster) == operator.name else (second, operator)
    first.kill()
    cluster.api.until(
        *("Lease", "outrigger-system", "outrigger"), lambda lease: lease["spec"]["holderIdentity"] == other.name, seconds=60
    )
    cluster.api.apply(mock(namespace))
    cluster.api.apply(key(namespace))
    cluster.api.until("ConfigMap", namespace, "outrigger-default", bool)
    first.start()
