"""On a real node: `outrigger ledger migrate` moves the ledger from Kubernetes objects to PostgreSQL and back, while pods spend.

The provider counts what it bills (metered_pod.py), and never bills more than the budget. Afterwards nearly all of the budget
is spent: what was granted before a move is known after it. In between, `outrigger ledger report` says who spent what.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import binaries
import chart
import installation
from conftest import a_namespace
from database import Database
from gateway import environment
from installation import HERE, application, is_rolled_out
from objects import key, ours, outrigger as object_of, secret

SECONDS = 240
REPLICAS, WORKERS = 3, 4
# The budget in output tokens. Input tokens are free.
TOKENS = 3000
MODEL = {"name": "gpt-4o", "price": {"inputPerMillion": "0", "outputPerMillion": "400.00"}}
AMOUNT = "1.20"
# As many as the longest answer of metered_pod.py has, so that no answer costs more than was reserved for it.
CAP = 4
SPENT = "402 budget_exceeded"
# What a client may be told while others hold the rest, or while nobody grants.
FOR_NOW = {"answered", "429 budget_contended", "503 budget_unavailable"}
SECRET = "ledger-database"


@pytest.fixture
def space(outrigger, request):
    yield from a_namespace(outrigger, request)
    # The chart's own values again.
    installation.install(outrigger)


@pytest.fixture
def database(outrigger):
    with Database(outrigger) as database:
        outrigger.api.apply(secret(chart.NAMESPACE, SECRET, url=database.url))
        yield database


class Meter:
    """The provider: a process beside the node's pods."""

    def __init__(self, node):
        self.node = node
        self.daemon = node.start("meter", sys.executable, HERE / "metered_pod.py")
        self.url = f"http://{node.machine.gateway}:8080"
        node.until("the meter", self.serves, SECONDS)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://{self.node.machine.address}:8080{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def serves(self):
        try:
            return "tokens" in self.ask("GET", "/billed")
        except OSError:
            return False

    def open(self, part, seconds=0):
        """Opens the gate for this part of the budget, little by little within this time."""
        self.ask("PUT", "/gate", json.dumps({"tokens": part * TOKENS, "seconds": seconds}).encode())

    def billed(self):
        tokens = self.ask("GET", "/billed")["tokens"]
        assert tokens <= TOKENS, f"{tokens} tokens are billed, and the budget has {TOKENS}"
        return tokens

    def until_billed(self, part):
        self.node.until(f"{part} of the budget", lambda: self.billed() >= part * TOKENS, SECONDS)


def outrigger_ledger(node, *arguments):
    """`outrigger ledger ...`, as a person with the cluster's kubeconfig runs it."""
    home = node.folder / "helm"
    programs = {str(Path(program).parent) for program in (binaries.kubectl(), binaries.helm())}
    env = environment(
        PATH=":".join([*programs, "/usr/bin", "/bin"]),
        KUBECONFIG=str(node.kubeconfig),
        KUBECACHEDIR=str(node.folder / "kubectl-cache"),
        HELM_CACHE_HOME=str(home / "cache"),
        HELM_CONFIG_HOME=str(home / "config"),
        HELM_DATA_HOME=str(home / "data"),
    )
    command = [binaries.outrigger("outrigger"), "ledger", *map(str, arguments)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=2 * SECONDS)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    return done.stdout


def migrate(node, to):
    return outrigger_ledger(node, "migrate", "--to", to, "--chart", chart.folder(), "--timeout", SECONDS)


def told(node, namespace):
    """By the pod: what its clients were told, each kind once."""
    pods = node.api.list("Pod", namespace, labelSelector="app=spenders")
    return {pod["metadata"]["name"]: set(node.lines(namespace, pod["metadata"]["name"])) for pod in pods}


def test_the_ledger_moves_to_postgresql_and_back_while_pods_spend(outrigger, space, database):
    node, meter = outrigger, Meter(outrigger)
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
    node.api.apply(key(space, team="finders", limits={"budgets": [budget], "maxOutputTokens": CAP}))
    command = (str(WORKERS), meter.url)
    annotations = ours({"inject": "true"})
    for one in application(space, "spenders", annotations, REPLICAS, command, program="spender_app.py"):
        node.api.apply(one)
    node.api.until("Deployment", space, "spenders", is_rolled_out, SECONDS)
    meter.open(0.2)
    meter.until_billed(0.2)

    # More than the move takes: they spend all the time.
    meter.open(0.5, seconds=60)
    said = outrigger_ledger(node, "migrate", "--to=PostgreSQL", f"--secret={SECRET}", "--chart", chart.folder(), "--timeout", SECONDS)
    assert "the records are in PostgreSQL" in said and "Kubernetes: " in said
    meter.until_billed(0.5)
    assert database.ask("SELECT count(*) > 0 FROM outrigger_ledger_shard WHERE name = 'index'") == "t"
    assert all(words <= FOR_NOW for words in told(node, space).values()), told(node, space)
    # Once more is told to be done already.
    assert "the records are in PostgreSQL" in migrate(node, "PostgreSQL")

    def reported():
        text = outrigger_ledger(node, "report", "--by=team,workload,model", "--output=json")
        # What was refused has no model.
        wanted = (f"{space}/Deployment/spenders", MODEL["name"])
        return [row for row in json.loads(text) if (row["workload"], row["model"]) == wanted and row["requests"] >= 50]

    # Gateways report once a minute.
    meter.open(0.6)
    (row,) = node.until("a report of what they spent", reported, SECONDS)
    assert row["team"] == "finders"
    assert float(row["costUsd"]) > 0 and row["outputTokens"] > 0

    meter.open(0.85, seconds=60)
    assert "the records are in Kubernetes" in migrate(node, "Kubernetes")
    meter.until_billed(0.85)
    assert all(words <= FOR_NOW for words in told(node, space).values()), told(node, space)

    meter.open(10)
    node.until("a refusal of every pod", lambda: all(SPENT in words for words in told(node, space).values()), SECONDS)
    billed = meter.billed()
    print("billed", billed, "of", TOKENS)
    assert billed >= 0.95 * TOKENS, f"only {billed} of {TOKENS} tokens could be spent"
