"""docs/rights.md and the chart list the same rights."""

import re

import pytest

from gateway import REPOSITORY
from rendered import CASES, NAMESPACE, objects

PAGE = (REPOSITORY / "docs/rights.md").read_text()

# The values of the column `when`.
WHEN = {
    "always": lambda values: True,
    "own certificates": lambda values: not values.get("certManager", {}).get("enabled"),
    "Evict": lambda values: values.get("injection", {}).get("repair") == "Evict",
    "ledger": lambda values: "Kubernetes" in (
        values.get("ledger", {}).get("store", "Kubernetes"), values.get("ledger", {}).get("migrateFrom")
    ),
    "all namespaces": lambda values: not values.get("providerNamespaces"),
    "provider namespaces": lambda values: bool(values.get("providerNamespaces")),
    "copies": lambda values: bool(values.get("providerNamespaces")) and values.get("credentials", {}).get("copies"),
    "`rbac.editVirtualKeys`": lambda values: values.get("rbac", {}).get("editVirtualKeys"),
    "`rbac.editBudgets`": lambda values: values.get("rbac", {}).get("editBudgets"),
}


def rows(section):
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("| ")]
    head, *body = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in table)
    assert body
    return [dict(zip(head, cells, strict=True)) for cells in body]


def listed(cell):
    """(resource, name or None) for each entry of a cell."""
    return re.findall(r"`([a-z/]+)`(?: \(`([a-z-]+)`\))?", cell)


def promised(values):
    rights = set()
    for row in rows("The operator"):
        if not WHEN[row["when"]](values):
            continue
        where = {
            "cluster": ["*"],
            "own namespace": [NAMESPACE],
            "provider namespaces": values.get("providerNamespaces", []),
        }[row["where"]]
        group = "" if row["group"] == "core" else row["group"].strip("`")
        for place in where:
            for resource, name in listed(row["resource"]):
                rights |= {(place, group, resource, name, verb) for verb in row["verbs"].split(", ")}
    return rights


def given(values):
    """The rights that the operator's account has."""
    rendered = objects(values)
    roles = {(it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"]): it for it in rendered}
    rights = set()
    for binding in [it for it in rendered if it["kind"] in ("RoleBinding", "ClusterRoleBinding")]:
        (account,) = binding["subjects"]
        assert account["kind"] == "ServiceAccount" and account["namespace"] == NAMESPACE
        place = binding["metadata"].get("namespace")
        kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
        for rule in roles[kind, place if kind == "Role" else None, name]["rules"]:
            assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
            rights |= {
                (place or "*", group, resource, name, verb)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for name in rule.get("resourceNames", [""])
                for verb in rule["verbs"]
            }
    return rights


@pytest.mark.parametrize("name", [name for name in CASES if name != "other-name"])
def test_rows_and_rights_match(name):
    promise, truth = promised(CASES[name]), given(CASES[name])
    assert truth - promise == set(), "without a reason"
    assert promise - truth == set(), "documented, but not granted"


@pytest.mark.parametrize("name", [name for name in CASES if not CASES[name].get("rbac", {}).get("aggregate") is False])
def test_user_roles_match_the_page(name):
    promise = {
        (row["role"], resource, verb)
        for row in rows("People") if WHEN[row["when"]](CASES[name])
        for resource, _ in listed(row["resource"])
        for verb in row["verbs"].split(", ")
    }
    truth = set()
    for it in objects(CASES[name]):
        labels = it["metadata"].get("labels", {})
        for role in ("view", "edit", "admin"):
            if labels.get(f"rbac.authorization.k8s.io/aggregate-to-{role}") == "true":
                for rule in it["rules"]:
                    assert rule["apiGroups"] == ["outrigger.dev"]
                    truth |= {(role, resource, verb) for resource in rule["resources"] for verb in rule["verbs"]}
    assert truth == promise


def test_nothing_is_a_wildcard():
    for values in CASES.values():
        assert not any("*" in right[1:] for right in given(values))


def test_each_verb_has_a_reason():
    for section in ("The operator", "People"):
        for row in rows(section):
            assert len(row["why"]) > 10, row
