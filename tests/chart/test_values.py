"""The values that the chart refuses, with messages that say what to do. Each value is documented in its
place."""

import json
import re

import pytest
import yaml

from rendered import CHART, DEFINITIONS, Refused, objects

REFUSED = [
    ({"openshif": True}, "additional properties 'openshif' not allowed"),
    ({"webhooks": {"failurepolicy": "Fail"}}, "'/webhooks': additional properties 'failurepolicy' not allowed"),
    ({"webhooks": {"failurePolicy": "fail"}}, "'/webhooks/failurePolicy': value must be one of 'Ignore', 'Fail'"),
    ({"webhooks": {"url": "http://operator"}}, "'/webhooks/url': 'http://operator' does not match pattern"),
    ({"webhooks": {"url": "https://operator?x"}}, "'/webhooks/url'"),
    ({"injection": {"repair": "evict"}}, "'/injection/repair': value must be one of 'Report', 'Evict'"),
    ({"replicas": 0}, "'/replicas': minimum: got 0, want 1"),
    ({"replicas": "2"}, "'/replicas': got string, want integer"),
    ({"port": 70000}, "'/port': maximum"),
    ({"providerNamespaces": ["A"]}, "'/providerNamespaces/0'"),
    ({"providerNamespaces": ["a", "a"]}, "'/providerNamespaces': items at 0 and 1 are equal"),
    ({"providerNamespaces": "llm"}, "'/providerNamespaces': got string, want array"),
    ({"image": {"digest": "sha256:1"}}, "'/image/digest'"),
    ({"image": {"name": "x"}}, "'/image': additional properties 'name' not allowed"),
    ({"sidecar": {"image": {"registry": "x"}}}, "'/sidecar/image': additional properties 'registry' not allowed"),
    ({"image": {"pullSecrets": [{"name": "x"}]}}, "'/image/pullSecrets/0': got object, want string"),
    ({"credentials": {"copies": "yes"}}, "'/credentials/copies': got string, want boolean"),
    ({"podLabels": {"a": 1}}, "'/podLabels/a': got number, want string"),
    ({"extraArgs": ["copies"]}, "'/extraArgs/0'"),
    ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "'/metrics/serviceMonitor/interval'"),
    ({"crds": {"kepp": True}}, "additional properties 'kepp' not allowed"),
    (
        {"webhooks": {"url": "https://operator"}, "certManager": {"enabled": True}},
        "webhooks.url is for an operator that runs outside the cluster, and certManager.enabled for one within",
    ),
    ({"hostNetwork": True}, "hostNetwork: port 10250 of a node is the kubelet's. Set port to one that is free"),
    ({"port": 9090}, "port and metrics.port are both 9090"),
    (
        {"metrics": {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}},
        "metrics.serviceMonitor selects the Service that metrics.service.enabled=false leaves out",
    ),
    ({"certManager": {"issuerRef": {"name": "x"}}}, "certManager.issuerRef is of no use without certManager.enabled"),
    ({"certManager": {"enabled": True, "issuerRef": {"kind": "ClusterIssuer"}}}, "issuerRef needs a name"),
]


@pytest.mark.parametrize("values, words", REFUSED, ids=lambda it: json.dumps(it) if isinstance(it, dict) else "")
def test_impossible_values_are_refused(values, words):
    with pytest.raises(Refused) as refused:
        objects(values)
    assert words in str(refused.value)


# Objects where users set any fields.
FREE = {"resources", "certManager.issuerRef", "crds", "global"}


def fields(schema, at=""):
    """The path of each value."""
    if not schema.get("properties") or at in FREE:
        yield at
        return
    for name, inner in schema["properties"].items():
        yield from fields(inner, f"{at}.{name}".lstrip("."))


def given(values, paths, at=""):
    if at in paths or not isinstance(values, dict) or not values:
        yield at
        return
    for name, inner in values.items():
        yield from given(inner, paths, f"{at}.{name}".lstrip("."))


def resolved(schema, root):
    if isinstance(schema, dict):
        if "$ref" in schema:
            return resolved(root["definitions"][schema["$ref"].rpartition("/")[2]], root)
        return {name: resolved(inner, root) for name, inner in schema.items() if name != "definitions"}
    return schema


@pytest.mark.parametrize("chart", [CHART, DEFINITIONS], ids=lambda chart: chart.name)
def test_the_schema_has_exactly_the_values(chart):
    schema = json.loads((chart / "values.schema.json").read_text())
    schema = resolved(schema, schema)
    values = yaml.safe_load((chart / "values.yaml").read_text())
    known = set(fields(schema))
    # Helm gives subcharts these two, and the definitions' chart its condition.
    assert set(given(values, known)) == known - {"global", "enabled"}


def test_every_value_has_a_comment():
    """In the line above it. A line that only opens a group needs none."""
    for chart in (CHART, DEFINITIONS):
        lines = (chart / "values.yaml").read_text().splitlines()
        for before, line in zip(["", *lines], lines):
            if re.match(r" *[a-zA-Z]+: ", line):
                assert before.lstrip().startswith("# ") and not before.startswith("# ---"), line
