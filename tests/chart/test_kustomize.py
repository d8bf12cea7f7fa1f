"""deploy/kustomize is the chart rendered without values, and a usable base. `UPDATE=1` regenerates it."""

import json
import os
import re
import subprocess

import pytest
import yaml

import binaries
from gateway import REPOSITORY
from rendered import NAMESPACE, one, text

FOLDER = REPOSITORY / "deploy/kustomize"
HEAD = "# Rendered from charts/outrigger by `make kustomize`; not edited by hand.\n"


def current():
    """Without metadata that only Helm reads."""
    helms = r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n|^# Source: .*\n"
    return HEAD + re.sub(helms, "", text({}), flags=re.MULTILINE)


def build(folder):
    done = subprocess.run(
        [binaries.kubectl(), "kustomize", folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_the_base_equals_the_chart():
    file = FOLDER / "operator.yaml"
    if os.environ.get("UPDATE"):
        file.write_text(current())
    assert file.read_text() == current(), f"{file} is stale: make kustomize"


def test_it_builds_with_everything_in_it():
    built = build(FOLDER)
    assert one(built, "Namespace", NAMESPACE)
    assert sum(it["kind"] == "CustomResourceDefinition" for it in built) == 6
    for rendered in yaml.safe_load_all(current()):
        found = one(built, rendered["kind"], rendered["metadata"]["name"])
        assert found["metadata"].get("namespace") == rendered["metadata"].get("namespace")
    assert "helm" not in json.dumps(built).lower()


@pytest.fixture
def overlay(tmp_path):
    """The overlay of docs/install.md."""
    section = (REPOSITORY / "docs/install.md").read_text().split("\n## Kustomize\n")[1].split("\n## ")[0]
    (shown,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    base = os.path.relpath(FOLDER, tmp_path)
    file = tmp_path / "kustomization.yaml"
    file.write_text(re.sub(r"^- https://.*$", f"- {base}", shown, flags=re.MULTILINE))
    assert base in file.read_text()
    return tmp_path


def test_an_overlay_changes_its_fields(overlay):
    (container,) = one(build(overlay), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/outrigger-operator:0.1.0"
    variables = {it["name"]: it.get("value") for it in container["env"]}
    assert variables["SIDECAR_IMAGE"] == "registry.example/outrigger-sidecar:0.1.0"


def test_an_api_server_accepts_it_without_a_warning(empty_cluster):
    output = empty_cluster.kubectl("apply", "--server-side", "-k", FOLDER)
    try:
        assert output.count("serverside-applied") == len(build(FOLDER)) and "Warning" not in output
    finally:
        # The namespace is deleted later, and a later test would find it terminating.
        empty_cluster.kubectl("delete", "-f", FOLDER / "operator.yaml")
        # Does not wait, because an API server takes long to remove a kind.
        empty_cluster.kubectl("delete", "--wait=false", "-k", REPOSITORY / "charts/outrigger-crds")
