#!/usr/bin/env python3
"""Measures the operator on a real control plane, and prints the tables of docs/performance.md. Takes about five minutes.

    make bench-operator          [QUICK=1: fewer streams, fewer changes; ONLY=share: only gateways that share a budget]

The gateways are streams of one process (bench/src/bin/fleet.rs). Each has the token of its own pod, which the webhook has
admitted and injected. Its status says that it runs, although there is no node. `apply to served` is the time from before
the request that applies a change until a gateway has received the policy. Control plane, operator, gateways and this
client share the machine.
"""

import copy
import http.client
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "cluster")]

import chart  # noqa: E402
from api import path  # noqa: E402
from control_plane import ControlPlane  # noqa: E402
from gateway import ALLOCATOR, free_port  # noqa: E402
from operator_process import HOST, OperatorProcess  # noqa: E402

QUICK = "--quick" in sys.argv
FLEETS = [1, 20] if QUICK else [1, 100, 1000]
# Gateways that spend of one budget.
SPENDERS = [20] if QUICK else [1000, 10_000]
CHANGES = 10 if QUICK else 40
OBJECTS = 100 if QUICK else 1000
# Keys of each provider.
KEYS_PER_PROVIDER = 2
REVIEWS = 200 if QUICK else 2000
IDLE_SECONDS = 10 if QUICK else 60
# Each gateway reports about so often in the time that counts.
SPEND_SECONDS, REPORT_SECONDS = (15 if QUICK else 60), 5
# Longer than any change or connection takes on a busy machine.
FLEET_SECONDS = 300
REQUESTS, WRITTEN = "outrigger_operator_api_requests_total", "outrigger_operator_writes_total"
LEDGER_WRITES, LEDGER_DROPPED = "outrigger_operator_ledger_writes_total", "outrigger_operator_ledger_dropped_reports"
TICKS = os.sysconf("SC_CLK_TCK")
API = "outrigger.dev/v1alpha1"


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def resident(pid):
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024


def processor(pid):
    """The processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def summary(counts, of=1):
    """The sum of some counts, and the counts."""
    parts = ", ".join(f"{name} {count / of:.3g}" for name, count in counts.items())
    return f"{counts.total() / of:.3g}" + (f" ({parts})" if parts else "")


def many(items, do):
    """Calls `do` for each item, a few at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(do, items))


def mock(namespace, name, reply="Hello"):
    spec = {"type": "Mock", "withoutKey": "Allow", "mock": {"dialect": "OpenAI", "reply": reply}}
    return {"apiVersion": API, "kind": "LLMProvider", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def pod(namespace, name):
    meta = {"name": name, "namespace": namespace, "annotations": {"outrigger.dev/inject": "true"}}
    # A scheduler that does not exist: the cluster's own would search for a node again and again during the measurement.
    spec = {"schedulerName": "nobody", "containers": [{"name": "app", "image": "outrigger.test/app:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def budgeted(namespace):
    """The key of all pods, with a budget that is not spent here."""
    budget = {"name": "total", "amount": "1000000", "window": "Lifetime"}
    metadata = {"name": "default", "namespace": namespace}
    return {"apiVersion": API, "kind": "VirtualKey", "metadata": metadata, "spec": {"limits": {"budgets": [budget]}}}


class Fleet:
    """The process with the streams, and its output. It is killed after a time limit, so that no wait is endless."""

    def __init__(self, command, size):
        self.size, self.sequences = size, {}
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait(30)

    def until_all_have(self, above):
        """The times at which each stream first had a policy above a sequence. Two changes may bring two policies."""
        at, late = {}, threading.Timer(FLEET_SECONDS, self.process.kill)
        late.start()
        try:
            while len(at) < self.size:
                if not (line := self.process.stdout.readline()):
                    raise TimeoutError(f"{len(at)} of {self.size} gateways have it after {FLEET_SECONDS} s")
                message = json.loads(line)
                if "stream" not in message:
                    continue
                self.sequences[message["stream"]] = message["sequence"]
                if message["sequence"] > above:
                    at.setdefault(message["stream"], message["at"])
            return at.values()
        finally:
            late.cancel()

    def spending(self):
        """What its gateways saw of the shared limit since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if "waits" in (message := json.loads(line)):
                return message
        raise EOFError("the fleet has ended")


class Bench:
    def __init__(self, cluster, operator):
        self.cluster, self.operator, self.pid = cluster, operator, operator.daemon.pid
        self.kept = threading.local()

    def client(self):
        """The client of this thread: a connection carries one request at a time."""
        if not hasattr(self.kept, "api"):
            self.kept.api = copy.copy(self.cluster.api)
            self.kept.api.idle = None
        return self.kept.api

    def namespace(self, name):
        self.cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.cluster.api.until("ServiceAccount", name, "default", bool)
        return name

    @contextmanager
    def gateways(self, namespace, size, *more):
        """A fleet with as many gateways in a namespace, all of which have a policy. Yields it, and the seconds that took."""

        def token(index):
            """The token of a pod that the webhook has injected, with a status that says that it runs."""
            api, name = self.client(), f"p{index}"
            made = api.sound(api.create(pod(namespace, name))).body
            gateway = next(one for one in made["spec"]["initContainers"] if one["name"] == "outrigger")
            state = {"name": gateway["name"], "image": "", "imageID": "", "ready": True, "restartCount": 0, "started": True}
            state["state"] = {"running": {}}
            api.merge("Pod", namespace, name, {"status": {"phase": "Running", "initContainerStatuses": [state]}}, "status")
            bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": made["metadata"]["uid"]}
            spec = {"audiences": ["outrigger"], "boundObjectRef": bound}
            token_request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
            where = path("ServiceAccount", namespace, "default", "token")
            return api.sound(api.ask("POST", where, token_request)).body["status"]["token"]

        tokens = self.cluster.folder / f"tokens-{size}"
        tokens.write_text("\n".join(many(range(size), token)) + "\n")
        map = self.cluster.api.until("ConfigMap", namespace, "outrigger-default", bool)
        authorities = self.cluster.folder / "authorities.pem"
        authorities.write_text(map["data"]["ca.crt"])
        self.settled()
        program = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "profiling" / "fleet"
        operator = ["--operator", f"127.0.0.1:{self.operator.port}", "--name", HOST]
        command = [program, *operator, "--authorities", authorities, "--tokens", tokens, *more]
        before = time.monotonic()
        with Fleet(command, size) as fleet:
            fleet.until_all_have(above=0)
            connected = time.monotonic() - before
            # The updates of statuses belong to the connection, not to what is measured.
            self.settled()
            yield fleet, connected
        many(range(size), lambda n: self.client().delete("Pod", namespace, f"p{n}", gracePeriodSeconds=0))
        self.cluster.api.delete("Namespace", None, namespace)
        # Deleting costs the operator too, and must not overlap the next measurement.
        self.cluster.api.until("Namespace", None, namespace, lambda namespace: namespace is None, FLEET_SECONDS)
        self.settled()

    def changes(self, size):
        """Measures the milliseconds from apply to served, for each stream and each change."""
        namespace = self.namespace(f"fleet-{size}")
        self.cluster.api.apply(mock(namespace, "mock"))
        took = []
        with self.gateways(namespace, size) as (fleet, connected):
            used = processor(self.pid)
            for change in range(CHANGES):
                object = mock(namespace, "mock", f"Hello for the {change}th time")
                last, began = max(fleet.sequences.values()), time.time_ns()
                self.cluster.api.apply(object)
                took += [(at - began) / 1e6 for at in fleet.until_all_have(above=last)]
            memory, used = resident(self.pid), processor(self.pid) - used
        print(
            f"| {size} | {statistics.median(took):.0f} | {percentile(took, 0.99):.0f} | {max(took):.0f} "
            f"| {connected:.1f} | {memory:.0f} | {1000 * used / CHANGES:.0f} |",
            flush=True,
        )

    def spenders(self, size):
        """Measures what it costs that gateways share a budget, and how long they wait for money."""
        namespace = self.namespace(f"spenders-{size}")
        self.cluster.api.apply(mock(namespace, "mock"))
        self.cluster.api.apply(budgeted(namespace))
        limit = f"VirtualKey {namespace}/default: spec.limits.budgets[total]"
        with self.gateways(namespace, size, "--limit", limit) as (fleet, _):
            # Each has reported twice, and was granted something.
            time.sleep(3 * REPORT_SECONDS)
            before, used, wrote = fleet.spending(), processor(self.pid), self.ledger_writes()
            began = time.monotonic()
            time.sleep(SPEND_SECONDS)
            after, seconds = fleet.spending(), time.monotonic() - began
            used, wrote = processor(self.pid) - used, self.ledger_writes() - wrote
            memory, dropped = resident(self.pid), self.operator.metric(LEDGER_DROPPED)
        waits = [one / 1000 for one in after["waits"]]
        assert after["spent"] > before["spent"] and waits, "the fleet was granted nothing"
        refused = after["refused"] - before["refused"]
        print(
            f"| {size} | {(after['reports'] - before['reports']) / seconds:.0f} | {100 * used / seconds:.0f} % | {memory:.0f} "
            f"| {len(waits)} | {statistics.median(waits):.1f} | {percentile(waits, 0.99):.1f} | {max(waits):.0f} "
            f"| {refused} | {dropped:.0f} | {wrote / seconds:.1f} |",
            flush=True,
        )

    def share(self):
        print(
            "\n| gateways that share a budget | reports a second | a processor | operator MiB | asked for money "
            "| answered p50 ms | p99 ms | slowest ms | requests without money | reports lost | writes a second |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
        for size in SPENDERS:
            self.spenders(size)

    def ledger_writes(self):
        return self.operator.metric(LEDGER_WRITES, result="ok")

    def counted(self):
        """Requests to the API server by verb, writes of objects by kind (without the Lease), processor time and clock."""
        return Counter(self.by(REQUESTS, "verb")), Counter(self.by(WRITTEN, "kind")), processor(self.pid), time.monotonic()

    def by(self, metric, label):
        sums = {}
        for line in self.operator.get("/metrics")[1].splitlines():
            if line.startswith(metric + "{"):
                name = re.search(f'{label}="([^"]*)"', line)[1]
                sums[name] = sums.get(name, 0) + float(line.rpartition(" ")[2])
        return sums

    def since(self, before):
        return [now - then for now, then in zip(self.counted(), before)]

    def settled(self):
        """Waits until nothing has been written for two seconds."""
        last, since = None, time.monotonic()
        while time.monotonic() - since < 2:
            if (now := self.by(WRITTEN, "kind")) != last:
                last, since = now, time.monotonic()
            time.sleep(0.1)
        return since

    def objects(self):
        """Applies a thousand objects in twenty namespaces: a fifth each of providers, rules and budgets; the rest are keys."""
        namespaces = [self.namespace(f"many-{n}") for n in range(20)]

        def make(n):
            namespace, group = namespaces[n % 20], n // 20
            meta = lambda kind: {"apiVersion": API, "kind": kind, "metadata": {"name": f"n{group}", "namespace": namespace}}
            at = {"providers": [{"name": f"n{group - group % 5}"}]}
            match group % 5:
                case 0:
                    object = mock(namespace, f"n{group}")
                case 1:
                    object = meta("Budget") | {"spec": {"amount": "100", "window": "Month"}}
                case 2:
                    target = {"provider": f"n{group - 2}", "weight": 1}
                    scope = {"virtualKeys": [f"n{group + 1}"]}
                    object = meta("RoutingRule") | {"spec": {"scope": scope, "when": "model == 'a'", "targets": [target]}}
                case _:
                    object = meta("VirtualKey") | {"spec": at | {"budgetRefs": [{"name": f"n{group - group % 5 + 1}"}]}}
            self.client().apply(object)

        began, used = time.monotonic(), processor(self.pid)
        many(range(OBJECTS), make)
        applied = time.monotonic() - began
        behind = self.settled() - began - applied
        used = processor(self.pid) - used
        before = self.counted()
        time.sleep(IDLE_SECONDS)
        requests, written, rested, seconds = self.since(before)
        pace, idle = requests.total() / seconds, rested / seconds
        print(f"\n| with {OBJECTS} objects | |\n|---|---|")
        print(f"| all applied in, by this client | {applied:.0f} s |")
        print(f"| the operator was done after that | {max(behind, 0):.1f} s later |")
        print(f"| its processor time for all that | {used:.1f} s |")
        print(f"| resident | {resident(self.pid):.0f} MiB |")
        print(f"| a processor, idle | {100 * idle:.1f} % |")
        print(f"| writes in {IDLE_SECONDS} s without a change | {summary(written)} |")
        print(f"| requests in {IDLE_SECONDS} s without a change (Lease, watches) | {summary(requests)} |")
        before = self.counted()
        for change in range(CHANGES):
            self.cluster.api.apply(mock(namespaces[0], "n0", f"change {change}"))
            self.settled()
        requests, written, used, seconds = self.since(before)
        print(f"| a change of a provider that {KEYS_PER_PROVIDER} keys hold: writes | {summary(written, CHANGES)} |")
        print(f"| its requests, without the usual ones | {(requests.total() - pace * seconds) / CHANGES:.1f} |")
        print(f"| its processor time, likewise | {1000 * (used - idle * seconds) / CHANGES:.0f} ms |", flush=True)

    def reviews(self, what, path, object, **about):
        """Sends reviews as the API server does: one at a time, on one connection."""
        context = ssl.create_default_context(cafile=self.cluster.folder / "authorities.pem")
        connection = http.client.HTTPSConnection(HOST, self.operator.port, context=context, timeout=10)
        meta = object["metadata"]
        request = about | {"uid": "u", "operation": "CREATE", "namespace": meta["namespace"], "name": meta["name"]}
        request |= {"userInfo": {}, "object": object}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        body, took = json.dumps(review), []
        for _ in range(REVIEWS):
            began = time.perf_counter()
            connection.request("POST", path, body, {"content-type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            took.append(1000 * (time.perf_counter() - began))
            assert answer["response"]["allowed"], answer
        print(f"| {what} | {statistics.median(took):.2f} ms | {percentile(took, 0.99):.2f} ms |", flush=True)
        return answer

    def webhooks(self):
        print("\n| webhook | p50 | p99 |\n|---|---|---|")
        core, ours = {"group": "", "version": "v1"}, {"group": "outrigger.dev", "version": "v1alpha1"}
        of_pods = {"kind": core | {"kind": "Pod"}, "resource": core | {"resource": "pods"}}
        answer = self.reviews("a pod is injected", "/admit/pods", pod("default", "p"), **of_pods)
        assert answer["response"]["patch"], answer
        of_providers = {"kind": ours | {"kind": "LLMProvider"}, "resource": ours | {"resource": "llmproviders"}}
        # Beside the other objects of its namespace.
        self.reviews("a provider is judged", "/admit/validate", mock("many-0", "new"), **of_providers)


def main():
    with ControlPlane() as cluster:
        cluster.install_definitions()
        port = free_port()
        chart.install(cluster, {"webhooks": {"url": f"https://{HOST}:{port}"}, "crds": {"enabled": False}})
        token = cluster.token(chart.NAMESPACE, chart.RELEASE, expirationSeconds=6 * 3600)
        kubeconfig = cluster.authority.kubeconfig(cluster.folder / "operator.kubeconfig", cluster.server, token=token)
        with OperatorProcess(cluster, kubeconfig, port=port, env=ALLOCATOR) as operator:
            bench = Bench(cluster, operator)
            if "--only-share" in sys.argv:
                return bench.share()
            print("| gateways | p50 ms | p99 ms | slowest ms | all connected s | operator MiB | its processor ms a change |")
            print("|---|---|---|---|---|---|---|", flush=True)
            for size in FLEETS:
                bench.changes(size)
            bench.share()
            bench.objects()
            bench.webhooks()


if __name__ == "__main__":
    main()
