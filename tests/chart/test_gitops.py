"""examples/gitops: what an API server says of the objects, and Argo CD's health of them."""

import json
import re

import lupa
import pytest
import yaml

from gateway import REPOSITORY
from rendered import CHART, DEFINITIONS, RELEASE, VERSION, helm, objects

EXAMPLE = REPOSITORY / "examples/gitops"
KINDS = ["Budget", "LLMProvider", "ModelCatalog", "RoutingRule", "VirtualKey"]
PREFIX = "resource.customizations.health.outrigger.dev_"


def documents(file):
    return list(yaml.safe_load_all((EXAMPLE / file).read_text()))


@pytest.fixture(scope="module")
def definitions(empty_cluster):
    text = helm("template", RELEASE, DEFINITIONS, "--kube-version", VERSION)
    empty_cluster.kubectl("apply", "--server-side", "-f", "-", input=text)
    empty_cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    yield
    empty_cluster.kubectl("delete", "-f", "-", input=text)


def test_an_api_server_takes_it_without_a_warning(empty_cluster, definitions):
    for namespace in documents("objects/namespaces.yaml"):
        # So that an application which is not restricted would be a warning.
        labels = namespace["metadata"].setdefault("labels", {})
        labels["pod-security.kubernetes.io/warn"] = "restricted"
        empty_cluster.api.apply(namespace)
    told = empty_cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", EXAMPLE / "objects"
    )
    assert told.count("(server dry run)") == 9 and "Warning" not in told, told


def test_the_deployment_says_one_thing():
    (deployment,) = documents("objects/app.yaml")
    assert deployment["metadata"]["annotations"] == {"outrigger.dev/inject": "true"}
    assert "annotations" not in deployment["spec"]["template"]["metadata"]


def scripts():
    (patch,) = documents("argocd/argocd-cm.yaml")
    return {name.removeprefix(PREFIX): script for name, script in patch["data"].items()}


def test_every_kind_has_its_script():
    assert sorted(scripts()) == KINDS
    assert len(set(scripts().values())) == 1


def condition(kind, status, reason, message="why"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


READY = [condition("Accepted", "True", "Accepted"), condition("Ready", "True", "Ready", "")]
HEALTH = [
    (None, "Progressing", "the operator has not judged it yet"),
    # What the definition itself gives an object that nobody has looked at.
    ({"conditions": [condition("Ready", "Unknown", "Pending")]}, "Progressing", "the operator has not judged it yet"),
    ({"observedGeneration": 1, "conditions": READY}, "Progressing", "the operator has not judged it yet"),
    ({"observedGeneration": 2, "conditions": READY}, "Healthy", "Ready: "),
    ({"observedGeneration": 2, "conditions": [condition("Ready", "True", "Suspended")]}, "Suspended", "Suspended: why"),
    ({"observedGeneration": 2, "conditions": [condition("Ready", "True", "Expired")]}, "Suspended", "Expired: why"),
    ({"observedGeneration": 2, "conditions": [condition("Ready", "False", "SidecarsBehind")]}, "Progressing", "SidecarsBehind: why"),
    ({"observedGeneration": 2, "conditions": [condition("Ready", "Unknown", "Pending")]}, "Progressing", "Pending: why"),
    (
        {"observedGeneration": 2, "conditions": [condition("Ready", "False", "Invalid"), condition("Stalled", "True", "Invalid")]},
        "Degraded",
        "Invalid: why",
    ),
    (
        {"observedGeneration": 2, "conditions": [condition("Stalled", "False", "Ready"), *READY]},
        "Healthy",
        "Ready: ",
    ),
    ({"observedGeneration": 2}, "Progressing", "the operator has not judged it yet"),
]


@pytest.mark.parametrize("status, health, message", HEALTH)
def test_argo_cd_calls_it(status, health, message):
    lua = lupa.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from({"metadata": {"generation": 2}, "status": status}, recursive=True)
    told = lua.execute(scripts()["VirtualKey"])
    assert (told["status"], told["message"]) == (health, message)


def test_off_by_its_own_word_is_a_reason_of_the_operators():
    reasons = (REPOSITORY / "docs/conditions.md").read_text()
    for reason in ("Suspended", "Expired"):
        assert f'"{reason}"' in scripts()["VirtualKey"] and f"| `{reason}` |" in reasons


def test_what_is_ignored_is_there():
    operator, llm = documents("argocd/applications.yaml")
    ignored = {(it["group"], it["kind"]) for it in operator["spec"]["ignoreDifferences"]}
    ours = {("admissionregistration.k8s.io", it["kind"]) for it in objects({}) if it["kind"].endswith("WebhookConfiguration")}
    assert ignored == ours
    pointers = {pointer for it in llm["spec"]["ignoreDifferences"] for pointer in it["jsonPointers"]}
    stamp = re.search(r'WORKLOAD: &str = "(.*)"', (REPOSITORY / "operator/src/names.rs").read_text())[1]
    assert all(pointer.endswith(stamp.replace("/", "~1")) for pointer in pointers)
    assert "RespectIgnoreDifferences=true" in operator["spec"]["syncPolicy"]["syncOptions"]


def test_they_point_at_what_is_there():
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    applications = documents("argocd/applications.yaml")
    source, *syncs = documents("flux/sync.yaml")
    (release,) = documents("flux/operator/release.yaml")
    folders = [it["spec"]["source"]["path"] for it in applications] + [it["spec"]["path"] for it in syncs]
    folders.append(release["spec"]["chart"]["spec"]["chart"])
    assert all((REPOSITORY / folder).is_dir() for folder in folders)
    revisions = {it["spec"]["source"]["targetRevision"] for it in applications} | {source["spec"]["ref"]["tag"]}
    assert revisions == {f"v{version}"}
    # Values that the chart would take.
    for values in (applications[0]["spec"]["source"]["helm"]["valuesObject"], release["spec"]["values"]):
        objects(json.loads(json.dumps(values)))
    named = {
        (it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"])
        for file in (EXAMPLE / "objects").glob("*.yaml") if file.name != "kustomization.yaml"
        for it in yaml.safe_load_all(file.read_text())
    }
    checked = {(it["kind"], it["namespace"], it["name"]) for it in syncs[1]["spec"]["healthChecks"]}
    assert checked <= named
