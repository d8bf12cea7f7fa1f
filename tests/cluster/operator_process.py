"""The operator as a process of this machine in front of a control plane, with exactly its own rights."""

import json
import urllib.error
import urllib.request

import binaries
import chart
from daemon import Daemon
from gateway import environment, free_port
from waiting import until

READY_SECONDS = 60
IMAGE = "outrigger.test/outrigger-sidecar:tests"
# The name in the certificate, under which the API server and gateways call it.
HOST = "localhost"


class OperatorProcess:
    """One replica. Ready once the block is entered, ended with SIGTERM when it ends."""

    def __init__(self, cluster, kubeconfig, *flags, name="operator", port=None, env=None):
        self.cluster, self.kubeconfig, self.name, self.flags = cluster, kubeconfig, name, flags
        self.port, self.clear = port or free_port(), free_port()
        self.env, self.forgiven = env or {}, 0
        self.url = f"https://{HOST}:{self.port}"

    def start(self):
        command = [
            *(binaries.outrigger("outrigger-operator"), "--namespace", chart.NAMESPACE, "--identity", self.name),
            *("--address", f"{HOST}:{self.port}", "--service", HOST, "--service-port", self.port),
            *("--listen", f"127.0.0.1:{self.port}", "--metrics", f"127.0.0.1:{self.clear}", "--image", IMAGE),
            *("--webhooks", chart.RELEASE, "--ledger", "Kubernetes"),
            *self.flags,
        ]
        env = environment(KUBECONFIG=str(self.kubeconfig), OUTRIGGER_LOG="info", **self.env)
        self.daemon = Daemon(self.name, command, self.cluster.folder, self.cluster.bound, env)
        until("the operator", self.is_ready, READY_SECONDS, [self.daemon])
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Stops it as a cluster stops a pod."""
        self.daemon.stop()

    def kill(self):
        """Kills it, as when a node disappears."""
        self.daemon.stop(kill=True)

    def as_a_kubelet_would(self):
        """Restarts it if it has ended by itself: a leader that loses its Lease does."""
        if self.daemon.process.poll() is not None:
            self.start()

    def is_ready(self):
        return self.get("/readyz")[0] == 200

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.clear}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def until(self, what, holds, seconds=READY_SECONDS):
        return until(what, holds, seconds, [self.daemon])

    def metric(self, name, **labels):
        """The sum of all series with these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        samples = [line for line in self.get("/metrics")[1].splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in samples if all(label in line for label in wanted))

    def leads(self):
        return self.metric("outrigger_operator_leader") == 1

    def refusals(self):
        """The API server's refusals."""
        return [line for line in self.daemon.log.read_text().splitlines()[self.forgiven :] if "is forbidden" in line]

    def forgive(self):
        """Ignores refusals so far: an API server that has just started has not loaded the rights."""
        self.forgiven = len(self.daemon.log.read_text().splitlines())

    def log(self):
        """Its log lines, oldest first. A line that is not JSON is a panic, or from a library."""
        return [json.loads(line) for line in self.daemon.log.read_text().splitlines()]
