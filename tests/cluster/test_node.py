"""The node of the tests is one: pods run, see each other by name, and see nothing else."""

import images
from control_plane import KUBERNETES


def test_pods_run(node, node_namespace):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain", "namespace": node_namespace},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": images.BUSYBOX, "command": ["sleep", "1000"]}],
        },
    }
    node.api.apply(pod)
    node.until_ready("Pod", node_namespace, "plain")

    def say(*command):
        return node.kubectl("exec", "plain", "-n", node_namespace, "--", *command, check=False)

    assert say("echo", "hello") == "hello\n"
    assert KUBERNETES in say("nslookup", "kubernetes.default.svc.cluster.local")
    assert "Forbidden" in say("timeout", "10", "wget", "--no-check-certificate", "-O-", "https://kubernetes.default.svc/api")
    assert "unreachable" in say("timeout", "10", "wget", "-O-", "http://192.0.2.1/")
