"""Our definitions on a real API server: taken without a word, what `kubectl` shows of objects, and what an update keeps."""

import re

import pytest

from definitions import files
from gateway import REPOSITORY

PLURALS = ["budgets", "llmproviders", "modelcatalogs", "routingrules", "virtualkeys"]
NEW = {"type": "Ready", "status": "Unknown", "reason": "Pending"}


def test_definitions_are_taken_without_a_warning(cluster):
    assert cluster.install_definitions() == []
    assert [name for name, _ in files()] == [f"{plural}.outrigger.dev" for plural in PLURALS]


def test_every_kind_has_its_short_name_and_category(cluster):
    shown = cluster.kubectl("api-resources", "--api-group=outrigger.dev", "--no-headers", "--sort-by=name")
    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["budgets", "llmb"],
        ["llmproviders", "llmp"],
        ["modelcatalogs", "llmc"],
        ["routingrules", "rrule"],
        ["virtualkeys", "vkey"],
    ]
    assert len(cluster.kubectl("api-resources", "--categories=llm", "--no-headers").splitlines()) == len(PLURALS)


def test_what_nobody_has_looked_at_is_pending(cluster, namespace):
    metadata = {"name": "main", "namespace": namespace}
    cluster.api.apply({"apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey", "metadata": metadata, "spec": {}})
    (ready,) = cluster.api.get("VirtualKey", namespace, "main")["status"]["conditions"]
    assert NEW.items() <= ready.items()
    assert re.match(r"NAME +READY .*AGE\nmain +Unknown ", cluster.kubectl("get", "vkey", "-n", namespace))
    # A status that is there is shown, and applying the object again leaves it.
    now = "2026-01-01T00:00:00Z"
    true = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": now}
    cluster.api.merge("VirtualKey", namespace, "main", {"status": {"conditions": [true]}}, "status")
    applied = cluster.api.apply(
        {"apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey", "metadata": metadata, "spec": {"team": "a"}}
    )
    assert applied["status"]["conditions"][0]["status"] == "True"
    assert re.match(r"NAME +READY .*AGE\nmain +True ", cluster.kubectl("get", "vkey", "-n", namespace))


@pytest.mark.parametrize("example", sorted(file.name for file in (REPOSITORY / "examples").iterdir() if file.is_dir()))
def test_examples_are_taken(cluster, example):
    folder = REPOSITORY / "examples" / example
    files = [file for file in folder.rglob("*.yaml") if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    files = [file for file in files if "kind: Kustomization" not in file.read_text()]
    text = "".join(file.read_text() for file in files)
    for name in set(re.findall(r"\bnamespace: ([a-z0-9-]+)", text)):
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    said = cluster.kubectl("apply", "--server-side", "--dry-run=server", *(f"-f{file}" for file in files))
    assert "Warning" not in said, said
