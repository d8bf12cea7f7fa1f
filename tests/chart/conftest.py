"""Fixtures of the chart's tests: an API server, for what Helm alone can't check."""

import sys
from itertools import count
from pathlib import Path

import pytest

# The control plane and its tools are those of the cluster tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from control_plane import ControlPlane  # noqa: E402
from release import Release  # noqa: E402

NAMESPACES = count(1)


@pytest.fixture(scope="session")
def empty_cluster(request):
    """A control plane without any object of ours."""
    failed = request.session.testsfailed
    with ControlPlane("chart") as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed


@pytest.fixture(scope="session")
def release(empty_cluster):
    return Release(empty_cluster)


@pytest.fixture
def namespace(empty_cluster):
    """The name of a namespace for one test."""
    name = f"chart-{next(NAMESPACES)}"
    empty_cluster.kubectl("create", "namespace", name)
    empty_cluster.api.until("ServiceAccount", name, "default", bool)
    yield name
    # Its content is deleted later, so each name is used once.
    empty_cluster.api.delete("Namespace", None, name)
