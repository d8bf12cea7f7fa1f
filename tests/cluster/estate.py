"""Two namespaces on the node that share it and one provider: the shop, which must not be affected, and a tenant.

```text
platform   providers `shared` (for both) and `private` (only for the shop), with TLS servers
shop       a key of both, and an application that sends requests all the time
mallory    a key of `shared`, the same application, and a user with the role `edit` there
```
"""

import base64
import json
import subprocess
import sys
import time

import images
from api import path
from installation import HERE, application
from objects import key, ours, outrigger, secret
from tenant import Tenant

PLATFORM, SHOP, MALLORY = "platform", "shop", "mallory"
# By the provider. The first two have servers; the third one's server has no TLS.
KEYS = {"shared": "sk-shared-by-two-namespaces", "private": "sk-private-to-the-shop", "plain": "sk-plain-for-all-to-hear"}
SECONDS = 120
CATCHER = "catcher"
PACE = "0.01"
CPU = "200m"


class Estate:
    def __init__(self, node):
        self.node, self.api = node, node.api
        for name in (PLATFORM, SHOP, MALLORY):
            self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            self.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
        for name in ("shared", "private"):
            self.start_upstream(name)
        self.api.apply(self.provider("shared"))
        self.api.apply(self.provider("private"))
        self.api.apply(self.shops_key())
        self.api.apply(self.mallorys_key())
        self.shop = self.start_app(SHOP)
        self.mallory = self.start_app(MALLORY)
        self.tenant = Tenant(node, MALLORY)
        for namespace, app in ((SHOP, self.shop), (MALLORY, self.mallory)):
            node.until("an answer", lambda: self.last_reply(namespace, app) == "from shared", SECONDS)

    def start_upstream(self, name):
        """A server of the platform with a TLS certificate."""
        self.start_server(PLATFORM, name, "upstream_pod.py", name, KEYS[name], tls=True)

    def start_server(self, namespace, name, program, *arguments, tls=False):
        """A program of this folder as a pod, with a Service."""
        host = f"{name}.{namespace}.svc.cluster.local"
        metadata = {"name": name, "namespace": namespace}
        container = {
            "name": "main",
            "image": images.PYTHON,
            "imagePullPolicy": "Never",
            "command": ["python", f"/app/{program}", *arguments],
            "volumeMounts": [{"name": "files", "mountPath": "/app"}],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        }
        volumes = [{"name": "files", "configMap": {"name": f"{name}-files"}}]
        if tls:
            certificate, private = self.node.authority.server(f"{namespace}-{name}", host)
            pair = {"tls.crt": certificate.read_text(), "tls.key": private.read_text()}
            self.api.apply(secret(namespace, f"{name}-tls", **pair))
            self.api.apply(secret(namespace, name, apiKey=KEYS[name]))
            trusted = {"ca.crt": self.node.authority.certificate.read_text()}
            self.api.apply(config_map(namespace, "authorities", **trusted))
            container["volumeMounts"].append({"name": "tls", "mountPath": "/tls"})
            volumes.append({"name": "tls", "secret": {"secretName": f"{name}-tls"}})
        self.api.apply(config_map(namespace, f"{name}-files", **{program: (HERE / program).read_text()}))
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"labels": {"server": name}}}
        pod["spec"] = {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": volumes}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8080}]
        service["spec"] = {"selector": {"server": name}, "ports": ports}
        self.api.apply(pod)
        self.api.apply(service)
        self.node.until_ready("Pod", namespace, name)

    def provider(self, name, to=None, **more):
        to = to or ([SHOP, MALLORY] if name == "shared" else [SHOP])
        place = {"endpoint": f"https://{name}.{PLATFORM}.svc.cluster.local/v1", "tls": {"caRef": {"name": "authorities"}}}
        if "endpoint" in more:
            place = {}
        names = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": to}]
        return outrigger(
            *("LLMProvider", PLATFORM, name),
            type="OpenAI",
            credentials=[{"name": "main", "secretRef": {"name": name}}],
            allowedNamespaces={"from": "Selector", "selector": {"matchExpressions": names}},
            **(place | more),
        )

    def ref(self, name, **more):
        return {"name": name, "providerRef": {"name": name, "namespace": PLATFORM}} | more

    def shops_key(self, **more):
        return key(SHOP, providers=[self.ref("shared"), self.ref("private", weight=0)], **more)

    def mallorys_key(self, name="default", provider="shared", **more):
        return key(MALLORY, name, providers=[self.ref(provider)], **more)

    def start_app(self, namespace, name="app", spec=None, pace=PACE, cpu=CPU, ready=True, **annotations):
        """An application with a gateway that sends requests all the time. Returns the name of its pod once it is
        ready. Both applications have their share of the node's time, so that tests measure the delay of changes and
        not the scheduling."""
        annotations = ours({"inject": "true", "cpu": cpu} | annotations)
        files, deployment = application(namespace, name, annotations, command=(pace,), program="prober_app.py")
        deployment["spec"]["template"]["spec"] |= spec or {}
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        container["resources"] = {"requests": {"cpu": cpu}}
        for one in (files, deployment):
            self.api.apply(one)
        (pod,) = self.node.pods(namespace, f"app={name}", lambda pods: len(pods) == 1)
        if ready:
            self.node.until_ready("Pod", namespace, pod["metadata"]["name"])
        return pod["metadata"]["name"]

    def lines(self, namespace, app):
        return [json.loads(line) for line in self.node.lines(namespace, app)]

    def last_reply(self, namespace, app):
        """The last reply that it got; None before the first."""
        answer = self.api.ask("GET", path("Pod", namespace, app, "log"), container="main", tailLines=1)
        return json.loads(answer.message)["says"] if answer.status == 200 and answer.message else None

    def takes(self, what, says, change):
        """The seconds from a change through the API server until the shop's application gets this reply."""
        began = time.time()
        change()
        since = lambda: [one for one in self.lines(SHOP, self.shop) if one["at"] >= began and one["says"] == says]  # noqa: E731
        (first, *_) = self.node.until(f"{what}: {says}", since, SECONDS)
        return first["at"] - began

    def start_catcher(self):
        """The tenant's own server, under one name for all its endpoints. Returns its address."""
        self.start_server(MALLORY, CATCHER, "catcher_app.py", CATCHER)
        return self.api.get("Pod", MALLORY, CATCHER)["status"]["podIP"]

    def caught(self):
        """Everything that it received, as text."""
        return "\n".join(self.node.lines(MALLORY, CATCHER))

    def stream(self, token):
        """(status, text) of the operator's response to a stream with this token."""
        lease = self.api.get("Lease", "outrigger-system", "outrigger")
        address = lease["metadata"]["annotations"]["outrigger.dev/address"]
        command = self.node.machine.inside([sys.executable, HERE / "stream_asks.py", address, token])
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        status, _, text = done.stdout.partition("\n")
        return int(status), text

    def gateway_says(self, namespace, pod):
        """The log of its gateway; empty before the gateway starts."""
        answer = self.api.ask("GET", path("Pod", namespace, pod, "log"), container="outrigger")
        return answer.message if answer.status == 200 else ""

    def readyz(self, namespace, pod):
        """The gateway's /readyz."""
        where = path("Pod", namespace, f"{pod}:4181", "proxy")
        return self.api.ask("GET", f"{where}/readyz").body

    def operators_time(self):
        """Nanoseconds in which the operator ran, and in which it waited for a processor."""
        looked = 'for one in /proc/[0-9]*; do [ "$(readlink $one/exe)" = /outrigger-operator ] && cat $one/task/*/schedstat; done; true'
        command = self.node.machine.inside(["sh", "-c", looked])
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True).stdout
        had, waited = zip(*([int(number) for number in line.split()[:2]] for line in output.splitlines()))
        return sum(had), sum(waited)


def slowed(before, after):
    """How much slower the operator was between the two, because others had the processor."""
    had, waited = (max(1, now - then) for then, now in zip(before, after))
    return (had + waited) / had


def holds_key(text, *names):
    """Which of the providers' keys a text contains, verbatim or as in a Secret."""
    return [name for name in names or KEYS if any(shape in text for shape in shapes(KEYS[name]))]


def shapes(value):
    # The part of the Base64 text that does not depend on its surroundings.
    encoded = (base64.b64encode(b" " * shift + value.encode()).decode()[4:-4] for shift in range(3))
    return value, *encoded


def config_map(namespace, name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}
