"""What tests of a cluster begin with. A test that needs a program that can't be had fails, and says which."""

import re

import pytest

from control_plane import ControlPlane
from node import NodeCluster


@pytest.fixture(scope="session")
def cluster(request):
    """A control plane with our kinds. No node: pods are made, and stay where they are."""
    failed = request.session.testsfailed
    with ControlPlane() as cluster:
        cluster.install_definitions()
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed


@pytest.fixture(scope="session")
def node(request):
    """A cluster with a node, and our kinds."""
    failed = request.session.testsfailed
    with NodeCluster() as node:
        node.install_definitions()
        yield node
        node.keep_logs = request.session.testsfailed > failed


@pytest.fixture
def node_namespace(node, request):
    yield from a_namespace(node, request)


@pytest.fixture
def namespace(cluster, request):
    """The name of a namespace of the test's own."""
    yield from a_namespace(cluster, request)


def a_namespace(cluster, request):
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50].rstrip("-")
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # Pods need its service account.
    cluster.api.until("ServiceAccount", name, "default", bool)
    yield name
    # Its content goes in time; a name is used once.
    cluster.api.delete("Namespace", None, name)
