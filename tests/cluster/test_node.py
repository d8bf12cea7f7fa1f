"""The tests' node is a real one: pods run, resolve each other's names, and reach nothing else."""

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

    def run_in_pod(*command):
        return node.kubectl("exec", "plain", "-n", node_namespace, "--", *command, check=False)

    assert run_in_pod("echo", "hello") == "hello\n"
    assert KUBERNETES in run_in_pod("nslookup", "kubernetes.default.svc.cluster.local")
    assert "Forbidden" in run_in_pod("timeout", "10", "wget", "--no-check-certificate", "-O-", "https://kubernetes.default.svc/api")
    assert "unreachable" in run_in_pod("timeout", "10", "wget", "-O-", "http://192.0.2.1/")
