"""What tests of the chart begin with: an API server, for what Helm alone can't say."""

import sys
from pathlib import Path

import pytest

# The control plane and its tools are the cluster tests'.
sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from control_plane import ControlPlane  # noqa: E402


@pytest.fixture(scope="session")
def empty_cluster(request):
    """A control plane in which nothing of ours is."""
    failed = request.session.testsfailed
    with ControlPlane("chart") as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed
