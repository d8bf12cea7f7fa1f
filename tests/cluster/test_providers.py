"""On a real node, with providers as separate processes: they die, and their credentials are revoked."""

import base64
import json
import time

import pytest

import images
from conftest import a_namespace
from installation import HERE, application, without_operator
from objects import condition, key, outrigger as object_of, secret

SECONDS = 120
KEYS = {"main": "sk-main-of-this-test", "spare": "sk-spare-of-this-test"}


@pytest.fixture
def space(outrigger, request):
    yield from a_namespace(outrigger, request)


@pytest.fixture
def platform(outrigger, space):
    """The namespace of the providers' keys, which is not the application's."""
    name = f"{space[:50]}-platform"
    outrigger.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    outrigger.api.until("ServiceAccount", name, "default", bool)
    for credential, value in KEYS.items():
        outrigger.api.apply(secret(name, credential, apiKey=value))
    yield name
    outrigger.api.delete("Namespace", None, name)


def start_upstream(node, namespace, name, seconds=0):
    """A pod of upstream_pod.py with a Service. It is not restarted after its end."""
    metadata = {"name": name, "namespace": namespace}
    files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    files["data"] = {"upstream.py": (HERE / "upstream_pod.py").read_text()}
    container = {
        "name": "main",
        "image": images.PYTHON,
        "imagePullPolicy": "Never",
        "command": ["python", "/app/upstream.py", name, ",".join(KEYS.values()), str(seconds)],
        "volumeMounts": [{"name": "files", "mountPath": "/app"}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"labels": {"provider": name}}}
    pod["spec"] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "files", "configMap": {"name": name}}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    service["spec"] = {"selector": {"provider": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    for one in (files, pod, service):
        node.api.apply(one)
    node.until_ready("Pod", namespace, name)


def provider(namespace, name, **credentials):
    """The upstream of this name, with these credentials."""
    return object_of(
        *("LLMProvider", namespace, name),
        type="OpenAI",
        endpoint=f"http://{name}.{namespace}.svc.cluster.local/v1",
        credentials=[{"name": one, "secretRef": {"name": one}} | more for one, more in credentials.items()],
        allowedNamespaces={"from": "All"},
        clearTextCredentials="Allow",
    )


def uses(namespace, platform, first, *fallbacks):
    """A key with providers of another namespace: the first, then the fallbacks."""
    weights = {first: 1} | dict.fromkeys(fallbacks, 0)
    listed = [{"name": one, "providerRef": {"name": one, "namespace": platform}, "weight": w} for one, w in weights.items()]
    return key(namespace, providers=listed)


def start_app(node, namespace, *command):
    for one in application(namespace, command=command):
        node.api.apply(one)
    (pod,) = node.pods(namespace, "app=app", lambda pods: len(pods) == 1)
    return node.until_ready("Pod", namespace, pod["metadata"]["name"])["metadata"]["name"]


def until_it_says(node, namespace, pod, words):
    node.until(words, lambda: node.lines(namespace, pod)[-1:] == [words], SECONDS)


def test_requests_survive_the_death_of_a_provider(outrigger, space, platform):
    node = outrigger
    # The first one responds slowly, so that a request is always running.
    start_upstream(node, platform, "first", 0.2)
    start_upstream(node, platform, "second")
    for one in (provider(platform, "first", main={}), provider(platform, "second", main={})):
        node.api.apply(one)
    node.api.apply(uses(space, platform, "first", "second"))
    app = start_app(node, space, "keep", "0.05")
    until_it_says(node, space, app, "from first")
    node.end_container(platform, "first", "main")
    until_it_says(node, space, app, "from second")
    # There was no other reply: neither when it died nor at the start.
    assert set(node.lines(space, app)) == {"from first", "from second"}
    # It is used again when it is back.
    node.api.delete("Pod", platform, "first")
    node.api.until("Pod", platform, "first", lambda pod: pod is None)
    start_upstream(node, platform, "first")
    until_it_says(node, space, app, "from first")
    assert set(node.lines(space, app)) == {"from first", "from second"}


def test_a_suspended_credential_is_not_used(outrigger, space, platform):
    node = outrigger
    start_upstream(node, platform, "first")
    node.api.apply(provider(platform, "first", main={"weight": 100}, spare={"weight": 1}))
    node.api.apply(uses(space, platform, "first"))
    app = start_app(node, space, "keep", "0.02")
    until_it_says(node, space, app, "from first")
    node.until("its use", lambda: KEYS["main"] in used(node, platform))
    # Ready means that every gateway has it. Logs arrive later, so the time of the request at the provider counts. The
    # application sends one request at a time, and one may have been running.
    ready = suspend(node, platform, main={"weight": 100, "suspended": True}, spare={"weight": 1})
    node.until("more requests", lambda: len(used(node, platform, since=ready)) > 21)
    assert set(used(node, platform, since=ready)[1:]) == {KEYS["spare"]}
    # The other one served the application all the time.
    assert set(node.lines(space, app)) == {"from first"}
    # Without any credential, the provider gets no request.
    ready = suspend(node, platform, main={"weight": 100, "suspended": True}, spare={"weight": 1, "suspended": True})
    until_it_says(node, space, app, "403 provider_blocked")
    refused = time.time()
    count = len(node.lines(space, app))
    node.until("more refusals", lambda: len(node.lines(space, app)) > count + 20)
    assert len(used(node, platform, since=ready)) <= 1
    assert used(node, platform, since=refused) == []


def suspend(node, platform, **credentials):
    """Suspends credentials, and waits until the object is Ready. Returns the time of that."""
    applied = node.api.apply(provider(platform, "first", **credentials))["metadata"]["generation"]

    def is_in_force(one):
        return one["status"]["observedGeneration"] == applied and condition(one, "Ready")[0] == "True"

    node.api.until("LLMProvider", platform, "first", is_in_force, SECONDS)
    return time.time()


def used(node, platform, since=0):
    """The keys of the requests to the provider, in order."""
    requests = map(json.loads, node.lines(platform, "first"))
    return [one["key"] for one in requests if one["at"] >= since]


def test_a_restarted_gateway_has_its_credentials_without_an_operator(outrigger, space, platform):
    node = outrigger
    start_upstream(node, platform, "first")
    node.api.apply(provider(platform, "first", main={}))
    node.api.apply(uses(space, platform, "first"))
    app = start_app(node, space, "keep", "0.1")
    until_it_says(node, space, app, "from first")
    with without_operator(node):
        node.end_container(space, app, "outrigger")
        node.api.until("Pod", space, app, lambda pod: pod["status"]["initContainerStatuses"][0]["restartCount"] == 1, SECONDS)
        node.until_ready("Pod", space, app)
        until_it_says(node, space, app, "from first")
        # Its credentials came by no file that others could read: they were in its own memory volume.
        assert node.api.list("Secret", space) == []
        known = len(node.lines(space, app))
        node.until("more answers", lambda: len(node.lines(space, app)) > known + 10)
        assert set(node.lines(space, app)[known:]) == {"from first"}


# What an application can read in its container without being root: variables and arguments of all its processes, and
# all
# files below these folders; and its gateway's responses on loopback.
LOOK = """
import glob, os, urllib.error, urllib.request
def read(file):
    try:
        with open(file, errors="replace") as content:
            print(file, content.read())
    except OSError:
        pass
for process in glob.glob("/proc/[0-9]*"):
    for name in ("environ", "cmdline", "mountinfo"):
        read(f"{process}/{name}")
for root in ("/var/run", "/run", "/etc", "/tmp", "/dev/shm", "/app"):
    for at, _, files in os.walk(root):
        for file in files:
            read(os.path.join(at, file))
for port, paths in {4181: ("/policy", "/readyz", "/metrics", "/decisions", "/"), 4180: ("/v1/models", "/")}.items():
    for path in paths:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                print(port, path, answer.status, answer.read().decode())
        except urllib.error.HTTPError as refused:
            print(port, path, refused.code, refused.read().decode())
"""


def test_no_credential_is_visible_to_its_users(outrigger, space, platform):
    node = outrigger
    start_upstream(node, platform, "first")
    node.api.apply(provider(platform, "first", main={}))
    node.api.apply(uses(space, platform, "first"))
    app = start_app(node, space, "keep", "0.2")
    until_it_says(node, space, app, "from first")
    assert used(node, platform)[-1] == KEYS["main"]
    seen = node.kubectl("exec", app, "-n", space, "-c", "main", "--", "python", "-c", LOOK)
    # The script worked: it found its own placeholder and its gateway's policy.
    assert "OPENAI_API_KEY=outrigger" in seen and "4181 /policy 200" in seen
    # Its namespace has none either, for users who may read everything in it.
    kinds = "configmaps,secrets,pods,events,deployments,replicasets,vkey,llmp"
    seen += node.kubectl("get", kinds, "-n", space, "-o", "json")
    seen += node.kubectl("logs", app, "-n", space, "--all-containers")
    seen += node.kubectl("logs", "-n", "outrigger-system", "-l", "app.kubernetes.io/name=outrigger", "--tail=-1")
    assert "outrigger-default" in seen
    found = sorted(name for name, value in KEYS.items() for shape in shapes(value) if shape in seen)
    assert found == []
    # Only the gateway has the operator's token. The application mounts nothing of it.
    assert "outrigger-token" not in seen.partition("4181 /policy")[0]
    assert node.api.list("Secret", space) == []


def shapes(value):
    """Verbatim, and as in a Secret."""
    return value, base64.b64encode(value.encode()).decode().rstrip("=")
