"""The dashboard queries only existing metrics."""

import json
import re

from gateway import REPOSITORY
from rendered import CHART, objects, one

DASHBOARD = json.loads((CHART / "dashboards/outrigger.json").read_text())
PAGES = [REPOSITORY / "docs" / name for name in ("metrics.md", "operator-metrics.md")]


def metrics_of_pages():
    """name -> labels of each metric that the pages list."""
    rows = [line for page in PAGES for line in page.read_text().splitlines() if line.startswith("| `outrigger_")]
    metrics = {}
    for row in rows:
        name, kind, labels, _ = (cell.strip() for cell in row.strip("|").split("|", 3))
        suffixes = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
        metrics |= {name.strip("`") + suffix: set(re.findall(r"`(\w+)`", labels)) for suffix in suffixes}
    return metrics


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"], target["legendFormat"]


def test_every_metric_and_label_exists():
    metrics, queried = metrics_of_pages(), set()
    for question, legend in queries():
        names = set(re.findall(r"\boutrigger_\w+", question))
        assert names and names <= set(metrics), names - set(metrics)
        queried |= names
        # The scrape adds `namespace` and `le`.
        there = set.union(*(metrics[name] for name in names)) | {"namespace", "le"}
        grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", question) for label in by.split(",")}
        matched = {label for inner in re.findall(r"\{([^}]*)\}", question) for label in re.findall(r"(\w+)=", inner)}
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert grouped | matched <= there, question
        assert shown <= grouped, question
    assert len(queried) > 20


def test_it_is_a_configmap_for_grafanas_sidecar():
    values = {"metrics": {"dashboard": {"enabled": True, "annotations": {"folder": "LLM"}}}}
    rendered = one(objects(values), "ConfigMap")
    assert rendered["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert rendered["metadata"]["annotations"] == {"folder": "LLM"}
    assert json.loads(rendered["data"]["outrigger.json"]) == DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
