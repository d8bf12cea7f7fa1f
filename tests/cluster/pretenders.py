"""Pods whose gateway differs from the operator's or is not alone, and tokens that a user could create for
them."""

from objects import ASKS, pod

CONTAINER, AUDIENCE = "outrigger", "outrigger"
ELSEWHERE = {"name": "mine", "image": "outrigger.test/busybox:1", "command": ["sleep", "1000000"]}


def gateway(spec):
    return next(one for one in spec["initContainers"] if one["name"] == CONTAINER)


def of_gateway(**more):
    return lambda spec: gateway(spec).update(more)


def of_pod(**more):
    return lambda spec: spec.update(more)


def privileged(**more):
    return lambda spec: gateway(spec)["securityContext"].update(more)


def argument(flag, value):
    def change(spec):
        arguments = gateway(spec)["args"]
        arguments[arguments.index(flag) + 1] = value

    return change


def mounts(volume, at):
    """Another container reads the gateway's volume."""
    mount = {"name": volume, "mountPath": at}
    return lambda spec: spec["containers"].append(ELSEWHERE | {"volumeMounts": [mount]})


def token_of_its_own(spec):
    source = {"serviceAccountToken": {"audience": AUDIENCE, "path": "token"}}
    spec["volumes"].append({"name": "mine", "projected": {"sources": [source]}})


def policy_of(name):
    def change(spec):
        volume = next(one for one in spec["volumes"] if one["name"] == "outrigger-policy")
        volume["projected"]["sources"][0]["configMap"]["name"] = name

    return change


def variable(name, value):
    return lambda spec: gateway(spec)["env"].append({"name": name, "value": value})


CHANGES = {
    "another-image": of_gateway(image="outrigger.test/python:1"),
    "an-older-version": of_gateway(image="outrigger.test/outrigger-sidecar:0.0.1"),
    "another-registry": of_gateway(image="evil.test/outrigger-sidecar:tests"),
    "another-command": of_gateway(command=["/bin/sh"]),
    "a-hook": of_gateway(lifecycle={"preStop": {"exec": {"command": ["/outrigger-sidecar", "--help"]}}}),
    "no-sidecar": lambda spec: gateway(spec).pop("restartPolicy"),
    "the-nodes-network": of_pod(hostNetwork=True),
    "the-nodes-processes": of_pod(hostPID=True),
    "shared-processes": of_pod(shareProcessNamespace=True),
    "privileges": privileged(privileged=True, allowPrivilegeEscalation=True),
    "a-capability": privileged(capabilities={"add": ["SYS_PTRACE"]}),
    "another-operator": argument("--operator", "https://catcher.mallory.svc:443"),
    "another-signer": argument("--signed-by", "A" * 43),
    "another-name": argument("--policy-name", "outrigger-other"),
    "another-policy": policy_of("outrigger-other"),
    "a-library": variable("LD_PRELOAD", "/tmp/mine.so"),
    "the-token-shared": mounts("outrigger-token", "/token"),
    "the-state-shared": mounts("outrigger-state", "/state"),
    "a-second-token": token_of_its_own,
    "an-alias": of_pod(hostAliases=[{"ip": "10.88.0.1", "hostnames": ["outrigger.outrigger-system.svc"]}]),
    "another-dns": of_pod(dnsPolicy="None", dnsConfig={"nameservers": ["10.88.0.1"]}),
}


def made_by_hand(tenant, name, change=None):
    """A pod with a gateway as injected, except for one change. It is never scheduled. An injected pod is not
    reviewed again."""
    meta = tenant.api.sound(tenant.api.create(pod(tenant.namespace, name, ASKS), dryRun="All")).body
    metadata = {"name": name, "namespace": tenant.namespace, "labels": meta["metadata"]["labels"]}
    # A pod that opts out is not reviewed. Labels and everything else claim that it has a gateway.
    metadata["annotations"] = meta["metadata"]["annotations"] | ({"outrigger.dev/inject": "false"} if change else {})
    spec = meta["spec"] | {"schedulerName": "nobody"}
    if change:
        change(spec)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def token(tenant, account="default", pod=None, audience=AUDIENCE, namespace=None):
    """The API server's response to a request for a token; bound to a pod, if given."""
    spec = {"audiences": [audience]}
    if pod:
        spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1"} | {field: pod["metadata"][field] for field in ("name", "uid")}
    where = f"/api/v1/namespaces/{namespace or tenant.namespace}/serviceaccounts/{account}/token"
    return tenant.api.ask("POST", where, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
