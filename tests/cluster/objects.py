"""Objects for tests."""


def outrigger(kind, namespace, name, **spec):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "outrigger.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def mock(namespace, name="openai", reply="Hello.", **more):
    """A provider that gives this reply for every model, or other replies."""
    more = {"models": [{"name": "*"}]} | more
    return outrigger("LLMProvider", namespace, name, type="Mock", mock={"reply": reply}, **more)


def key(namespace, name="default", **spec):
    return outrigger("VirtualKey", namespace, name, **spec)


def secret(namespace, name, **values):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def deployment(namespace, name, annotations=None, pod_annotations=None, replicas=1, **container):
    """A Deployment with these annotations."""
    main = {"name": "main", "image": "outrigger.test/busybox:1", "command": ["sleep", "1000000"]} | container
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": ours(annotations)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": ours(pod_annotations)},
                "spec": {"terminationGracePeriodSeconds": 2, "containers": [main]},
            },
        },
    }


def pod(namespace, name, annotations=None, service_account="default", **spec):
    main = {"name": "main", "image": "outrigger.test/busybox:1", "command": ["sleep", "1000000"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}, "annotations": ours(annotations)},
        "spec": {"serviceAccountName": service_account, "terminationGracePeriodSeconds": 2, "containers": [main]} | spec,
    }


def ours(annotations):
    return {f"outrigger.dev/{name}": value for name, value in (annotations or {}).items()}


ASKS = {"inject": "true"}


def condition(object, type):
    """(status, reason, message) of a condition, or None."""
    for one in (object or {}).get("status", {}).get("conditions", []):
        if one["type"] == type:
            return one["status"], one["reason"], one.get("message", "")
    return None
