"""Whether the cluster's objects, the gateways' policies and the statuses agree."""

import json

from objects import condition

OURS = "app.kubernetes.io/managed-by=outrigger"
TRUE = ("Accepted", "ResolvedRefs", "Programmed", "Ready")
KINDS = ("LLMProvider", "VirtualKey", "RoutingRule", "Budget", "ModelCatalog")
# The operator checks within this time what a previous leader has left; machines are busy.
SECONDS = 90


def is_current(object):
    status = (object or {}).get("status", {})
    return status.get("observedGeneration") == object["metadata"]["generation"] if object else False


def is_ready(object):
    return is_current(object) and all((condition(object, type) or ("",))[0] == "True" for type in TRUE)


def policies(cluster, namespace):
    """(sequence, digest, document) of each generated ConfigMap, by name. Tests may have changed them."""
    return {
        one["metadata"]["name"]: (
            number(one["metadata"]["annotations"]["outrigger.dev/sequence"]),
            one["metadata"]["annotations"]["outrigger.dev/digest"],
            json.loads(one["data"]["policy.v1.json"]),
        )
        for one in cluster.api.list("ConfigMap", namespace, labelSelector=OURS)
    }


def number(text):
    return int(text) if text.isdigit() else None


def objects(cluster, namespace):
    """All our objects with their kinds, which lists leave out."""
    return [one | {"kind": kind} for kind in KINDS for one in cluster.api.list(kind, namespace)]


def is_true(cluster, namespace, *gateways):
    """Every object is Ready in its latest version, and every gateway serves the stored policy."""
    written = policies(cluster, namespace)
    if any(document.get("sequence") != sequence for sequence, _, document in written.values()):
        return False
    serving = all(app.sequence() == written[binding(app)][0] for app in gateways if binding(app) in written)
    return serving and all(binding(app) in written for app in gateways) and all(map(is_ready, objects(cluster, namespace)))


def binding(gateway):
    return "outrigger-" + ".".join(json.loads(gateway.object["metadata"]["annotations"]["outrigger.dev/injected"])["keys"])


def versions(cluster, namespace):
    """For everything of ours and everything generated: the fields that show whether it was written."""
    generated = {
        (kind, one["metadata"]["name"]): one["metadata"]["resourceVersion"]
        for kind in ("ConfigMap", "Secret")
        for one in cluster.api.list(kind, namespace, labelSelector=OURS)
    }
    # Not the object's own resource version: an API server updates some only for a new time.
    statuses = {
        (one["kind"], one["metadata"]["name"]): (one["metadata"]["uid"], one["metadata"]["generation"], one["status"])
        for one in objects(cluster, namespace)
    }
    return generated | statuses
