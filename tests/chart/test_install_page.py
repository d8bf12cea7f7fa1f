"""docs/install.md: its commands work, and remove what the page says."""

import json
import re
import shlex

import pytest
import yaml

from gateway import REPOSITORY
from rendered import CHART, DEFINITIONS, NAMESPACE, VERSION, helm, objects

PAGE = (REPOSITORY / "docs/install.md").read_text()
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
INSTALLS = [shlex.split(line) for line in COMMANDS if re.match(r"helm (upgrade --install|install) ", line)]
VALUES = re.findall(r"^```yaml\n# values.yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("command", INSTALLS, ids=" ".join)
def test_install_commands_render(command):
    (folder,) = [word for word in command if word.startswith("charts/")]
    set_to = [word for at, word in enumerate(command) if command[at - 1] == "--set"]
    flags = [part for value in set_to for part in ("--set", value)]
    assert helm("template", "outrigger", REPOSITORY / folder, "--kube-version", VERSION, *flags)


def test_the_page_has_installs_and_values():
    assert len(INSTALLS) >= 6 and len(VALUES) == 4


@pytest.mark.parametrize("values", VALUES)
def test_values_are_accepted(values):
    assert objects(yaml.safe_load(values))


def test_named_values_exist():
    """In back quotes, with a dot, as in values.yaml."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = set(re.findall(r"`([a-z][A-Za-z]+(?:\.[a-zA-Z]+)+)[`:]", PAGE)) - {"ca.crt"}
    assert len(named) > 8
    for path in named:
        at = values
        for part in path.split("."):
            assert part in at, path
            at = at[part]


def test_the_policy_for_applications_is_that_of_the_notes(release):
    pages = [PAGE, (REPOSITORY / "docs" / "conditions.md").read_text()]
    shown, again = [re.search(r"```yaml\n(apiVersion: networking.k8s.io/v1\n.*?)```", page, re.DOTALL)[1] for page in pages]
    assert shown == again
    try:
        notes = release.install({})
        noted = notes.split("kind: NetworkPolicy\n")[1].split("# names, and the providers")[0]
        noted = yaml.safe_load("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" + re.sub("^    ", "", noted, flags=re.M))
        assert noted == yaml.safe_load(shown)
        taken = release.cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=shown)
        assert "created (server dry run)" in taken and "Warning" not in taken
    finally:
        release.helm("uninstall", "outrigger")


def test_the_rest_is_removed(release, namespace):
    """Except the namespace, which a later test needs."""
    cluster = release.cluster
    release.install({})
    release.helm("uninstall", "outrigger")
    labels = {"app.kubernetes.io/managed-by": "outrigger"}
    for kind, where, name in [
        ("ConfigMap", namespace, "outrigger-default"),
        ("Secret", namespace, "outrigger-default"),
        ("Secret", NAMESPACE, "outrigger-certificates"),
        ("Secret", NAMESPACE, "outrigger-seal"),
    ]:
        metadata = {"name": name, "namespace": where, "labels": labels}
        cluster.api.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata})
    named = (REPOSITORY / "operator/src/names.rs").read_text()
    assert all(f'"{word}"' in named for pair in labels.items() for word in pair)

    section = PAGE.split("\n## Uninstall\n")[1].split("\n## ")[0]
    rest = re.findall(r"^kubectl delete .*$", section, re.MULTILINE)
    assert len(rest) == 4 and rest[-1] == f"kubectl delete namespace {NAMESPACE}"
    for command in rest[:-1]:
        cluster.kubectl(*shlex.split(command)[1:])
    remaining = json.loads(cluster.kubectl("get", "configmaps,secrets", "-A", "-l", "app.kubernetes.io/managed-by=outrigger", "-o", "json"))
    assert remaining["items"] == []
    assert "outrigger.dev" not in cluster.kubectl("get", "crd", "-o", "name")


def test_links_into_the_page_are_valid():
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^## (.*)$", PAGE, re.M)}
    for page in REPOSITORY.glob("**/*.md"):
        if {".cache", "target", "node_modules"} & set(page.parts):
            continue
        for anchor in re.findall(r"install\.md#([a-z0-9-]+)", page.read_text()):
            assert anchor in anchors, (page, anchor)
    assert "kustomize" in anchors and DEFINITIONS.exists()
