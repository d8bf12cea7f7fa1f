"""Every case of crds/tests on a real API server: it accepts the objects that our own validation accepts, and
refuses the others for the same reasons.

Rules have our own messages, so these must match exactly. For the schema's own refusals, the path must match.
"""

import json
from pathlib import Path

import pytest

CASES = json.loads((Path(__file__).parent / "objects.json").read_text())


@pytest.fixture(scope="session")
def rules(bare):
    """The message of each of our rules."""
    words = set()

    def walk(node):
        if isinstance(node, dict):
            words.update(rule["message"] for rule in node.get("x-kubernetes-validations", []))
            node = list(node.values())
        if isinstance(node, list):
            for inner in node:
                walk(inner)

    for definition in bare.api.list("CustomResourceDefinition"):
        walk(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    assert len(words) > 40
    return words


def given(bare, case, **query):
    object = case["object"] | {"metadata": {"name": "example", "namespace": "default"}}
    return bare.api.create(object, dryRun="All", fieldValidation="Strict", **query)


def test_valid_objects_are_accepted(bare):
    wrong = []
    for case in CASES:
        if not case["findings"]:
            answer = given(bare, case)
            if answer.status != 201 or answer.warnings:
                wrong.append((case["object"], answer.status, answer.message, answer.warnings))
    assert wrong == []


def expected(findings, rules, answer):
    """Which of our findings the API server must report in this response."""
    if "strict decoding error" in answer.message:
        # It reports nothing else if there are unknown fields. A value that is no list has some, too.
        unknown = [path for path, message in findings if message.startswith("unknown field")]
        return unknown or [path for path, _ in findings]
    if "Duplicate value" in answer.message:
        # It names the entry; we name what is in it twice.
        findings = [(path.rpartition(".")[0], message) for path, message in findings]
    return [path for path, _ in findings] + [message for _, message in findings if message in rules]


def test_invalid_objects_are_refused_alike(bare, rules):
    wrong, broken = [], set()
    for case in CASES:
        if not case["findings"]:
            continue
        answer = given(bare, case)
        wanted = expected(case["findings"], rules, answer)
        broken |= rules.intersection(wanted)
        missing = [words for words in wanted if words not in answer.message]
        if answer.status not in (400, 422) or not wanted or missing:
            wrong.append((case["object"]["kind"], case["object"]["spec"], answer.status, answer.message, missing))
    assert wrong == [], "\n".join(json.dumps(one, indent=1) for one in wrong)
    # All except those on names and on changes, which follow.
    assert len(rules - broken) <= 3, rules - broken


@pytest.mark.parametrize("kind, spec", [
    ("LLMProvider", {"type": "Ollama"}),
    ("VirtualKey", {}),
    ("RoutingRule", {"targets": [{"provider": "a"}]}),
    ("Budget", {"tokens": 1, "window": "Day"}),
    ("ModelCatalog", {"models": [{"name": "a"}]}),
])
def test_names_are_labels_of_fifty(bare, kind, spec):
    def named(name):
        object = {"apiVersion": "outrigger.dev/v1alpha1", "kind": kind, "spec": spec}
        return bare.api.create(object | {"metadata": {"name": name, "namespace": "default"}}, dryRun="All")

    assert named("a" * 50).status == named("a-1").status == 201
    for name in ("a" * 51, "a.b"):
        assert "the name must be a DNS label of at most 50" in named(name).message


def test_a_budget_keeps_its_unit(bare, bare_namespace):
    def budget(**spec):
        metadata = {"name": "team", "namespace": bare_namespace}
        spec = {"window": "Day"} | spec
        return {"apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget", "metadata": metadata, "spec": spec}

    bare.api.apply(budget(amount="5.00"))
    bare.api.apply(budget(amount="6.00"))
    refused = bare.api.try_apply(budget(tokens=5))
    assert refused.status == 422 and "the unit of a Budget can't change" in refused.message
