"""What tests of the chart begin with: an API server, for what Helm alone can't say."""

import sys
from itertools import count
from pathlib import Path

import pytest

# The control plane and its tools are the cluster tests'.
sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from control_plane import ControlPlane  # noqa: E402
from release import Release  # noqa: E402

NAMESPACES = count(1)


@pytest.fixture(scope="session")
def empty_cluster(request):
    """A control plane in which nothing of ours is."""
    failed = request.session.testsfailed
    with ControlPlane("chart") as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed


@pytest.fixture(scope="session")
def release(empty_cluster):
    return Release(empty_cluster)


@pytest.fixture
def namespace(empty_cluster):
    """The name of a namespace of the test's own."""
    name = f"chart-{next(NAMESPACES)}"
    empty_cluster.kubectl("create", "namespace", name)
    empty_cluster.api.until("ServiceAccount", name, "default", bool)
    yield name
    # Its content goes in time; a name is used once.
    empty_cluster.api.delete("Namespace", None, name)
