"""On a real node: a budget that ten pods share is spent once and nearly all of it, whatever happens meanwhile.

The provider counts what it bills (metered_pod.py). Its gate gives each step its part of the money: first ten pods spend,
then all of them are replaced while a CronJob runs twenty times, then the operator's leader is killed, then the API server
is away. In the end everybody is refused, and the provider has billed at most the budget and at least 95 % of it.
"""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest

import chart
import images
from conftest import a_namespace
from installation import HERE, application, is_rolled_out
from objects import key, ours, outrigger as object_of, secret

SECONDS = 180
REPLICAS, WORKERS = 10, 7
RUNS, RUNS_AT_ONCE, ANSWERS_PER_RUN = 20, 4, 5
# A dollar is so many output tokens. Input tokens are free.
TOKENS = 2500
MODEL = {"name": "gpt-4o", "price": {"inputPerMillion": "0", "outputPerMillion": "400.00"}}
# As many as the longest answer of metered_pod.py has, so that no answer costs more than was reserved for it.
CAP = 4
AMOUNT = "1.00"
# Longer than a leader may lead without renewing its Lease.
AWAY_SECONDS = 20
LEASE = ("Lease", chart.NAMESPACE, chart.RELEASE)
SPENT = "402 budget_exceeded"
# The refusals that a client may get while others hold the rest, or while no leader grants.
FOR_NOW = {"answered", "429 budget_contended", "503 budget_unavailable"}


@pytest.fixture
def space(outrigger, request):
    yield from a_namespace(outrigger, request)


class Meter:
    """The provider's pod, asked from within the node's network: also while the API server is away."""

    def __init__(self, node, namespace):
        self.node = node
        metadata = {"name": "meter", "namespace": namespace}
        files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        files["data"] = {"metered_pod.py": (HERE / "metered_pod.py").read_text()}
        container = {
            "name": "main",
            "image": images.PYTHON,
            "imagePullPolicy": "Never",
            "command": ["python", "/app/metered_pod.py"],
            "volumeMounts": [{"name": "files", "mountPath": "/app"}],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
            # It serves all pods: without its own share it waits behind them on a busy node.
            "resources": {"requests": {"cpu": "400m"}},
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"labels": {"server": "meter"}}}
        volumes = [{"name": "files", "configMap": {"name": "meter"}}]
        # A restarted one would have forgotten what it billed.
        pod["spec"] = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], "volumes": volumes}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        service["spec"] = {"selector": {"server": "meter"}, "ports": [{"port": 80, "targetPort": 8080}]}
        for one in (files, pod, service):
            node.api.apply(one)
        self.address = node.until_ready("Pod", namespace, "meter")["status"]["podIP"]
        # Not its name: a hundred clients that begin at once would wait for the tests' small DNS server.
        self.url = f"http://{node.api.get('Service', namespace, 'meter')['spec']['clusterIP']}"

    def ask(self, method, path, body=""):
        script = (
            "import sys, urllib.request as r; m, u, b = sys.argv[1:]; "
            "print(r.urlopen(r.Request(u, b.encode() or None, method=m), timeout=60).read().decode())"
        )
        command = [sys.executable, "-c", script, method, f"http://{self.address}:8080{path}", body]
        done = subprocess.run(self.node.machine.inside(command), capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def open(self, tokens, seconds=0):
        """Opens the gate for this sum, little by little within this time."""
        self.ask("PUT", "/gate", json.dumps({"tokens": tokens, "seconds": seconds}))

    def billed(self):
        tokens = self.ask("GET", "/billed")["tokens"]
        assert tokens <= TOKENS, f"{tokens} tokens are billed, and the budget has {TOKENS}"
        return tokens

    def until_billed(self, tokens):
        self.node.until(f"{tokens} tokens", lambda: self.billed() >= tokens, SECONDS)


class Fleet:
    """The Deployment of ten pods that spend, and the CronJob."""

    def __init__(self, node, namespace, meter):
        self.node, self.namespace, self.api = node, namespace, node.api
        command = (str(WORKERS), meter.url)
        annotations = ours({"inject": "true", "cpu": "30m"})
        files, deployment = application(
            namespace, "fleet", annotations, replicas=REPLICAS, command=command, program="spender_app.py"
        )
        template = deployment["spec"]["template"]
        (container,) = template["spec"]["containers"]
        container["resources"] = {"requests": {"cpu": "20m"}}
        # A request may take as long as it waits for a grant.
        template["spec"]["terminationGracePeriodSeconds"] = 30
        for one in (files, deployment):
            self.api.apply(one)
        job = {"metadata": {"labels": {"run": "nightly"}}, "spec": template["spec"] | {"restartPolicy": "Never"}}
        python, app, _, url = container["command"]
        job["spec"]["containers"] = [container | {"command": [python, app, "1", url, str(ANSWERS_PER_RUN)]}]
        cron = {"apiVersion": "batch/v1", "kind": "CronJob"}
        cron["metadata"] = {"name": "nightly", "namespace": namespace, "annotations": annotations}
        # The test runs it, and reads what each run wrote.
        cron["spec"] = {"schedule": "0 0 1 1 *", "suspend": True, "successfulJobsHistoryLimit": RUNS, "failedJobsHistoryLimit": RUNS}
        cron["spec"]["jobTemplate"] = {"spec": {"backoffLimit": 0, "template": job}}
        self.api.apply(cron)

    def until_rolled_out(self):
        self.api.until("Deployment", self.namespace, "fleet", is_rolled_out, SECONDS)

    def restart(self):
        """Replaces all pods, as `kubectl rollout restart` does."""
        self.node.kubectl("rollout", "restart", "deployment/fleet", "-n", self.namespace)

    def run_jobs(self):
        """Runs the CronJob, a few Jobs at a time. Returns the answers of each run."""
        for first in range(0, RUNS, RUNS_AT_ONCE):
            runs = [f"run-{number}" for number in range(first, min(first + RUNS_AT_ONCE, RUNS))]
            for run in runs:
                self.node.kubectl("create", "job", run, "--from=cronjob/nightly", "-n", self.namespace)
            for run in runs:
                self.api.until("Job", self.namespace, run, has_ended, SECONDS)
        pods = self.api.list("Pod", self.namespace, labelSelector="run=nightly")
        assert len(pods) == RUNS
        return [json.loads(self.node.lines(self.namespace, pod["metadata"]["name"])[-1]) for pod in pods]

    def pods(self):
        pods = self.api.list("Pod", self.namespace, labelSelector="app=fleet")
        return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def told(self):
        """The answers of each pod's clients, each kind once."""
        return {pod: set(self.node.lines(self.namespace, pod)) for pod in self.pods()}

    def all_refused(self):
        told = self.told()
        return len(told) == REPLICAS and all(SPENT in words for words in told.values())


def has_ended(job):
    status = (job or {}).get("status", {})
    return bool(status.get("succeeded") or status.get("failed"))


def kill_the_leader(node):
    """Kills the process that leads, and waits until a replica leads again."""
    before = node.api.get(*LEASE)["spec"]
    holder = before["holderIdentity"]
    (container,) = node.api.get("Pod", chart.NAMESPACE, holder)["spec"]["containers"]
    node.end_container(chart.NAMESPACE, holder, container["name"])
    node.api.until(*LEASE, lambda lease: lease["spec"].get("acquireTime") != before["acquireTime"], SECONDS)


@contextmanager
def api_server_away(node):
    node.stop_api()
    try:
        yield
    finally:
        node.resume_api()


def test_ten_pods_a_rollout_and_twenty_runs_spend_one_dollar(outrigger, space):
    node = outrigger
    meter = Meter(node, space)
    node.api.apply(secret(space, "meter", apiKey="sk-of-the-meter"))
    node.api.apply(
        object_of(
            *("LLMProvider", space, "openai"),
            type="OpenAI",
            endpoint=f"{meter.url}/v1",
            credentials=[{"name": "main", "secretRef": {"name": "meter"}}],
            clearTextCredentials="Allow",
            models=[MODEL],
        )
    )
    budget = {"name": "total", "amount": AMOUNT, "window": "Lifetime"}
    node.api.apply(key(space, limits={"budgets": [budget], "maxOutputTokens": CAP}))
    fleet = Fleet(node, space, meter)
    fleet.until_rolled_out()

    meter.open(0.35 * TOKENS, seconds=15)
    meter.until_billed(0.35 * TOKENS)
    # No client is told that it is spent while most of it is left.
    assert all(words <= FOR_NOW for words in fleet.told().values()), fleet.told()

    first = fleet.pods()
    meter.open(0.55 * TOKENS, seconds=30)
    fleet.restart()
    runs = fleet.run_jobs()
    fleet.until_rolled_out()
    assert not set(first) & set(fleet.pods())
    assert all(run.keys() <= FOR_NOW and run["answered"] == ANSWERS_PER_RUN for run in runs), runs
    meter.until_billed(0.55 * TOKENS)

    meter.open(0.75 * TOKENS, seconds=15)
    kill_the_leader(node)
    meter.until_billed(0.75 * TOKENS)

    meter.open(0.9 * TOKENS, seconds=AWAY_SECONDS)
    with api_server_away(node):
        # The gate closes again with the last part of the time, whether or not that much could be spent.
        node.until("it to be away for long enough", lambda: meter.ask("GET", "/gate")["left"] == 0, SECONDS)
    meter.open(10 * TOKENS)
    node.until("a refusal of every pod", fleet.all_refused, SECONDS)
    assert all(words <= FOR_NOW | {SPENT} for words in fleet.told().values()), fleet.told()
    billed = meter.billed()
    print(f"billed {billed} of {TOKENS} tokens; {meter.ask('GET', '/billed')['requests']} requests")
    assert billed >= 0.95 * TOKENS, f"only {billed} of {TOKENS} tokens could be spent"
