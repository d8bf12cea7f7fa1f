"""Our definitions on a real API server: taken without a word, and what `kubectl get` shows of objects."""

import pytest

from definitions import files

COLUMNS = {
    "llmproviders": ["NAME", "READY", "AGE"],
    "virtualkeys": ["NAME", "READY", "AGE"],
    "routingrules": ["NAME", "READY", "AGE"],
    "budgets": ["NAME", "READY", "AGE"],
    "modelcatalogs": ["NAME", "READY", "AGE"],
}


def test_definitions_are_taken_without_a_warning(cluster):
    assert cluster.install_definitions() == []
    assert [name for name, _ in files()] == [f"{plural}.outrigger.dev" for plural in sorted(COLUMNS)]
