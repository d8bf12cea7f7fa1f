"""What is away is missed by nobody: requests are served without an operator, and the operator lives without an API server."""

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
        # What came by the stream outlives the container, though the mounted files are older.
        app.restart()
        app.until("what it had", lambda: app.says() == "two")
        # Changed meanwhile, known when it is back.
        cluster.api.apply(mock(namespace, reply="three"))
        operator.start()
        app.until("what is new", lambda: app.says() == "three")


def test_a_configmap_that_is_deleted_is_made_again_and_not_below(cluster, operator, namespace):
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


def test_the_api_server_may_go_and_come(cluster, operator, namespace):
    cluster.api.apply(mock(namespace, reply="one"))
    cluster.api.apply(key(namespace))
    with GatewayProcess(operator, pod(namespace, "app", ASKS)) as app:
        app.until("a policy", lambda: app.is_connected() and app.says() == "one")
        assert operator.refusals() == []
        cluster.restart_api()
        assert app.says() == "one"
        cluster.api.apply(mock(namespace, reply="two"))

        def is_new():
            # It may end of itself at any time until it has found the API server again.
            operator.as_a_kubelet_would()
            return app.says() == "two"

        app.until("what is new", is_new)
        operator.forgive()
