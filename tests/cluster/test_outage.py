"""Outages are not noticed: gateways serve without an operator, and the operator survives without an API
server."""

from gateway_process import GatewayProcess
from objects import ASKS, key, mock, pod


def test_gateways_serve_without_an_operator(cluster, operator, namespace):
    cluster.api.apply(mock(namespace, reply="one"))
    cluster.api.apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        cluster.api.apply(mock(namespace, reply="two"))
        app.until("the next", lambda: app.says() == "two")
        operator.kill()
        assert app.says() == "two"
        # What came by the stream survives a restart of the container, although the mounted files are older.
        app.restart()
        app.until("what it had", lambda: app.says() == "two")
        # Changed meanwhile, and applied when it is back.
        cluster.api.apply(mock(namespace, reply="three"))
        operator.start()
        app.until("what is new", lambda: app.says() == "three")


def test_a_deleted_configmap_is_recreated_with_a_higher_sequence(cluster, operator, namespace):
    cluster.api.apply(mock(namespace, reply="one"))
    cluster.api.apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        before = app.sequence()
        uid = cluster.api.get("ConfigMap", namespace, "outrigger-default")["metadata"]["uid"]
        cluster.api.delete("ConfigMap", namespace, "outrigger-default")
        cluster.api.until(
            "ConfigMap", namespace, "outrigger-default", lambda made: made and made["metadata"]["uid"] != uid
        )
        cluster.api.apply(mock(namespace, reply="two"))
        app.until("what is new", lambda: app.says() == "two")
        assert app.sequence() > before


def test_the_operator_survives_an_outage_of_the_api_server(cluster, operator, namespace):
    cluster.api.apply(mock(namespace, reply="one"))
    cluster.api.apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        assert operator.refusals() == []
        cluster.restart_api()
        assert app.says() == "one"
        cluster.api.apply(mock(namespace, reply="two"))

        def is_new():
            # It may exit at any time until it has found the API server again.
            operator.as_a_kubelet_would()
            return app.says() == "two"

        app.until("what is new", is_new)
        operator.forgive()
