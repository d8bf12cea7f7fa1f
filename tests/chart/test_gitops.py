"""examples/gitops: whether an API server accepts the objects, and their health in Argo CD."""

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


def test_an_api_server_accepts_it_without_a_warning(empty_cluster, definitions):
    for namespace in documents("objects/namespaces.yaml"):
        # So that an unrestricted application would cause a warning.
        labels = namespace["metadata"].setdefault("labels", {})
        labels["pod-security.kubernetes.io/warn"] = "restricted"
        empty_cluster.api.apply(namespace)
    output = empty_cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", EXAMPLE / "objects"
    )
    assert output.count("(server dry run)") == 9 and "Warning" not in output, output


def test_the_deployment_has_one_annotation():
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
    # The definition's default for an object that has not been processed.
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
def test_argo_cd_health(status, health, message):
    lua = lupa.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from({"metadata": {"generation": 2}, "status": status}, recursive=True)
    result = lua.execute(scripts()["VirtualKey"])
    assert (result["status"], result["message"]) == (health, message)


def test_inactive_reasons_are_the_operators():
    reasons = (REPOSITORY / "docs/conditions.md").read_text()
    for reason in ("Suspended", "Expired"):
        assert f'"{reason}"' in scripts()["VirtualKey"] and f"| `{reason}` |" in reasons


def test_ignored_paths_exist():
    operator, llm = documents("argocd/applications.yaml")
    ignored = {(it["group"], it["kind"]) for it in operator["spec"]["ignoreDifferences"]}
    ours = {("admissionregistration.k8s.io", it["kind"]) for it in objects({}) if it["kind"].endswith("WebhookConfiguration")}
    assert ignored == ours
    pointers = {pointer for it in llm["spec"]["ignoreDifferences"] for pointer in it["jsonPointers"]}
    stamp = re.search(r'WORKLOAD: &str = "(.*)"', (REPOSITORY / "operator/src/names.rs").read_text())[1]
    assert all(pointer.endswith(stamp.replace("/", "~1")) for pointer in pointers)
    assert "RespectIgnoreDifferences=true" in operator["spec"]["syncPolicy"]["syncOptions"]


def test_applications_point_at_existing_paths():
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    applications = documents("argocd/applications.yaml")
    source, *syncs = documents("flux/sync.yaml")
    (release,) = documents("flux/operator/release.yaml")
    folders = [it["spec"]["source"]["path"] for it in applications] + [it["spec"]["path"] for it in syncs]
    folders.append(release["spec"]["chart"]["spec"]["chart"])
    assert all((REPOSITORY / folder).is_dir() for folder in folders)
    revisions = {it["spec"]["source"]["targetRevision"] for it in applications} | {source["spec"]["ref"]["tag"]}
    assert revisions == {f"v{version}"}
    # Values that the chart would accept.
    for values in (applications[0]["spec"]["source"]["helm"]["valuesObject"], release["spec"]["values"]):
        objects(json.loads(json.dumps(values)))
    named = {
        (it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"])
        for file in (EXAMPLE / "objects").glob("*.yaml") if file.name != "kustomization.yaml"
        for it in yaml.safe_load_all(file.read_text())
    }
    checked = {(it["kind"], it["namespace"], it["name"]) for it in syncs[1]["spec"]["healthChecks"]}
    assert checked <= named
