"""Our definitions on a real API server: accepted without warnings, the columns of `kubectl`, and what an update
keeps."""

import re

import pytest

from definitions import files
from gateway import REPOSITORY

PLURALS = ["budgets", "ledgershards", "llmproviders", "modelcatalogs", "routingrules", "virtualkeys"]
# The operator writes these itself.
INTERNAL = ["ledgershards"]
NEW = {"type": "Ready", "status": "Unknown", "reason": "Pending"}


def test_definitions_are_accepted_without_a_warning(bare):
    assert bare.install_definitions() == []
    assert [name for name, _ in files()] == [f"{plural}.outrigger.dev" for plural in PLURALS]


def test_every_kind_has_its_short_name_and_category(bare):
    shown = bare.kubectl("api-resources", "--api-group=outrigger.dev", "--no-headers", "--sort-by=name")
    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["budgets", "llmb"],
        ["ledgershards", "outrigger.dev/v1alpha1"],
        ["llmproviders", "llmp"],
        ["modelcatalogs", "llmc"],
        ["routingrules", "rrule"],
        ["virtualkeys", "vkey"],
    ]
    assert len(bare.kubectl("api-resources", "--categories=llm", "--no-headers").splitlines()) == len(PLURALS) - len(INTERNAL)


def test_an_unprocessed_object_is_pending(bare, bare_namespace):
    metadata = {"name": "main", "namespace": bare_namespace}
    bare.api.apply({"apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey", "metadata": metadata, "spec": {}})
    (ready,) = bare.api.get("VirtualKey", bare_namespace, "main")["status"]["conditions"]
    assert NEW.items() <= ready.items()
    assert re.match(r"NAME +READY .*AGE\nmain +Unknown ", bare.kubectl("get", "vkey", "-n", bare_namespace))
    # A stored status is shown, and applying the object again keeps it.
    now = "2026-01-01T00:00:00Z"
    true = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": now}
    bare.api.merge("VirtualKey", bare_namespace, "main", {"status": {"conditions": [true]}}, "status")
    applied = bare.api.apply(
        {"apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey", "metadata": metadata, "spec": {"team": "a"}}
    )
    assert applied["status"]["conditions"][0]["status"] == "True"
    assert re.match(r"NAME +READY .*AGE\nmain +True ", bare.kubectl("get", "vkey", "-n", bare_namespace))


@pytest.mark.parametrize("example", sorted(file.name for file in (REPOSITORY / "examples").iterdir() if file.is_dir()))
def test_examples_are_accepted(bare, example):
    folder = REPOSITORY / "examples" / example
    files = [file for file in folder.rglob("*.yaml") if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    # Objects for Argo CD and Flux have kinds that are not installed here.
    files = [file for file in files if not re.search("kind: Kustomization|argoproj|toolkit.fluxcd.io", file.read_text())]
    files = [file for file in files if "apiVersion" in file.read_text() and file.parent.name not in ("argocd", "flux")]
    text = "".join(file.read_text() for file in files)
    for name in set(re.findall(r"\bnamespace: ([a-z0-9-]+)", text)):
        bare.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    output = bare.kubectl("apply", "--server-side", "--dry-run=server", *(f"-f{file}" for file in files))
    assert "Warning" not in output, output
