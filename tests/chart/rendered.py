"""The chart as Helm renders it, and the values of the tests."""

import functools
import json
import subprocess

import binaries
import yaml
from gateway import REPOSITORY, environment

CHART = REPOSITORY / "charts" / "outrigger"
DEFINITIONS = REPOSITORY / "charts" / "outrigger-crds"
RELEASE, NAMESPACE = "outrigger", "outrigger-system"
VERSION = "1.34.0"
SECONDS = 120
DIGEST = "sha256:" + "0123456789abcdef" * 4

# Each documented way to install it, and each toggle.
CASES = {
    "default": {},
    "openshift": {"openshift": True},
    "cert-manager": {"certManager": {"enabled": True}},
    "cert-manager-issuer": {
        "certManager": {
            "enabled": True,
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "internal"},
        }
    },
    "provider-namespaces": {"providerNamespaces": ["llm", "research"]},
    "copies": {"providerNamespaces": ["llm"], "credentials": {"copies": True}},
    "copies-everywhere": {"credentials": {"copies": True}},
    "evict": {"injection": {"repair": "Evict"}},
    "no-ledger": {"ledger": {"store": "None"}},
    "ledger-to-postgresql": {
        "ledger": {"store": "PostgreSQL", "migrateFrom": "Kubernetes", "postgresql": {"secretName": "ledger-database"}}
    },
    "ledger-from-postgresql": {
        "ledger": {"store": "Kubernetes", "migrateFrom": "PostgreSQL", "postgresql": {"secretName": "ledger-database"}}
    },
    "ledger-postgresql": {"ledger": {"store": "PostgreSQL", "postgresql": {"secretName": "ledger-database"}}},
    "outside": {"webhooks": {"url": "https://operator.example:8443/", "failurePolicy": "Fail"}},
    "digests": {
        "image": {"registry": "registry.example:5000/mirror", "digest": DIGEST, "pullSecrets": ["pull"]},
        "sidecar": {
            "image": {"digest": DIGEST, "pullPolicy": "Always", "pullSecrets": ["pull"]},
            "trustedImages": ["mirror.example/outrigger-dev/outrigger-sidecar", f"old.example/outrigger-sidecar@{DIGEST}"],
        },
    },
    "host-network": {"hostNetwork": True, "port": 10260},
    "monitoring": {
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "podMonitor": {"enabled": True},
        },
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 6443}]}],
        },
    },
    "scheduling": {
        "replicas": 3,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "control-plane", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["system"]}]}]}}},
        "topologySpreadConstraints": [{
            "topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "outrigger"}}}],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"example.com/note": "1"},
        "extraArgs": ["--identity=other"],
        "logLevel": "debug",
        "resources": {"requests": {"cpu": "1"}},
        "service": {"annotations": {"example.com/a": "b"}, "names": ["outrigger.example"], "port": 8443},
        "serviceAccount": {"annotations": {"example.com/role": "r"}},
    },
    "people": {"rbac": {"editVirtualKeys": True, "editBudgets": True}},
    "least": {
        "rbac": {"aggregate": False},
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "metrics": {"service": {"enabled": False}},
        "crds": {"enabled": False},
    },
    "other-name": {"fullnameOverride": "gateways", "nameOverride": "gw"},
}


class Refused(RuntimeError):
    """Helm refused."""


def helm(*arguments, values=None):
    """Helm's output."""
    command = [binaries.helm(), *map(str, arguments)]
    given = [] if values is None else ["--values", "-"]
    done = subprocess.run(
        [*command, *given],
        # JSON is YAML.
        input=None if values is None else json.dumps(values),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), timeout=SECONDS,
    )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def text(values, *more, namespace=NAMESPACE):
    """The rendered text without the definitions, which have their own tests."""
    whole = template(json.dumps(values), namespace, *more)
    documents = whole.split("---\n# Source: ")
    return "".join(f"---\n# Source: {one}" for one in documents[1:] if not one.startswith("outrigger/charts/"))


@functools.cache
def template(values, namespace, *more):
    where = ("--namespace", namespace, "--kube-version", VERSION)
    return helm("template", RELEASE, CHART, *where, *more, values=json.loads(values))


def objects(values, **more):
    return [one for one in yaml.safe_load_all(text(values, **more)) if one]


def one(all_of_them, kind, name=None):
    (found,) = [it for it in all_of_them if it["kind"] == kind and name in (None, it["metadata"]["name"])]
    return found
