"""What the chart renders: the whole default, and the changes by each value. `UPDATE=1` regenerates it."""

import difflib
import os
import re
from pathlib import Path

import pytest

from gateway import REPOSITORY
from rendered import CASES, CHART, DEFINITIONS, NAMESPACE, VERSION, helm, objects, one, text

GOLDEN = Path(__file__).parent / "golden"


def golden(name):
    rendered = text(CASES[name])
    if name == "default":
        return GOLDEN / "default.yaml", rendered
    before = text({}).splitlines(keepends=True)
    lines = difflib.unified_diff(before, rendered.splitlines(keepends=True), "default", name, n=2)
    # Positions in the file change with everything above.
    return GOLDEN / f"{name}.diff", re.sub(r"^@@ .*", "@@", "".join(lines), flags=re.MULTILINE)


@pytest.mark.parametrize("name", CASES)
def test_values_change_the_rendering(name):
    file, current = golden(name)
    if os.environ.get("UPDATE"):
        file.write_text(current)
    assert file.exists() and file.read_text() == current, f"{file} is stale: UPDATE=1, and look at what has changed"
    assert current, "it changes nothing"


def test_every_golden_is_used():
    assert {file.stem for file in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("chart", [CHART, DEFINITIONS], ids=lambda chart: chart.name)
def test_helm_lint_is_clean(chart):
    output = helm("lint", "--strict", "--quiet", "--kube-version", VERSION, chart)
    assert output.strip() == ""


@pytest.mark.parametrize("name", CASES)
def test_helm_lint_is_clean_with_values(name):
    helm("lint", "--strict", "--quiet", "--kube-version", VERSION, CHART, values=CASES[name])


def test_it_requires_a_supported_kubernetes():
    with pytest.raises(RuntimeError, match="requires kubeVersion"):
        helm("template", "outrigger", CHART, "--kube-version", "1.32.9")


def test_every_flag_is_one_of_the_operators():
    """And every setting without a default can be set."""
    known = set(re.findall(r'Long\("([a-z-]+)"\)', (REPOSITORY / "operator/src/settings.rs").read_text()))
    given = set()
    for values in CASES.values():
        deployments = [it for it in objects(values) if it["kind"] == "Deployment"]
        for deployment in deployments:
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            given |= {re.match(r"--([a-z-]+)", argument)[1] for argument in container["args"]}
    assert given <= known, given - known
    assert known - given == {"help", "version"}


def test_names_that_the_operator_uses_are_rendered():
    names = (REPOSITORY / "operator/src/names.rs").read_text()
    constant = lambda name: re.search(rf'const {name}: &str = "(.*)";', names)[1]
    rules = one(objects({}), "Role", "outrigger")["rules"]
    of = lambda resource: {name for rule in rules if resource in rule["resources"] for name in rule.get("resourceNames", [])}
    assert of("leases") == {constant("LEASE")}
    assert of("secrets") == {constant("CERTIFICATES"), constant("SEAL")}
    monitor = one(objects(CASES["monitoring"]), "PodMonitor")["spec"]
    assert monitor["podMetricsEndpoints"][0]["port"] == constant("ADMIN_PORT")
    assert monitor["selector"]["matchExpressions"][0]["key"] == constant("SIDECAR")


def test_every_webhook_path_is_served():
    source = "".join(file.read_text() for file in (REPOSITORY / "operator/src/admission").glob("*.rs"))
    paths = set(re.findall(r'^ *"(/admit/[a-z]+)" =>|^pub const PATH: &str = "(/admit/[a-z]+)";', source, re.MULTILINE))
    paths = {path for pair in paths for path in pair if path}
    called = {
        hook["clientConfig"]["service"]["path"]
        for it in objects({}) if it["kind"].endswith("WebhookConfiguration") for hook in it["webhooks"]
    }
    assert called == paths and len(paths) == 5


@pytest.mark.parametrize("name", CASES)
def test_webhooks_do_not_block_the_operator(name):
    for configuration in [it for it in objects(CASES[name]) if it["kind"].endswith("WebhookConfiguration")]:
        for hook in configuration["webhooks"]:
            (elsewhere,) = hook["namespaceSelector"]["matchExpressions"]
            assert elsewhere == {
                "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", NAMESPACE]
            }
            assert "caBundle" not in hook["clientConfig"] and hook["timeoutSeconds"] == 5


def test_the_definitions_are_those_of_the_repository():
    output = helm("template", "x", DEFINITIONS, "--kube-version", VERSION)
    for file in sorted((REPOSITORY / "crds/yaml").glob("*.yaml")):
        expected = file.read_text().replace(
            "\nmetadata:\n", "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n", 1
        )
        assert expected.strip() in output, file.name
    bare = helm("template", "x", DEFINITIONS, "--kube-version", VERSION, values={"keep": False})
    assert "annotations:\n    helm.sh" not in bare and bare.count("kind: CustomResourceDefinition") == 6


def test_a_checkout_is_complete():
    """Without `helm dependency build`: the definitions are in the chart, and also a chart of their own."""
    assert helm("template", "x", CHART, "--kube-version", VERSION).count("kind: CustomResourceDefinition") == 6
    assert DEFINITIONS.resolve().is_relative_to(CHART / "charts")
    versions = {re.search(r"^version: (.*)$", (chart / "Chart.yaml").read_text(), re.M)[1] for chart in (CHART, DEFINITIONS)}
    required = re.search(r"^  version: (.*)$", (CHART / "Chart.yaml").read_text(), re.M)[1]
    cargo = re.search(r'^version = "(.*)"$', (REPOSITORY / "Cargo.toml").read_text(), re.M)[1]
    assert versions == {required} == {cargo}
