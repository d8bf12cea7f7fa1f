"""What tests of a cluster begin with. A test that needs a program that can't be had fails, and says which."""

import re

import pytest

import chart
import installation
from control_plane import ControlPlane
from gateway import free_port
from node import NodeCluster
from operator_process import HOST, OperatorProcess


@pytest.fixture(scope="session")
def cluster(request):
    """A control plane with our kinds. No node: pods are made, and stay where they are."""
    failed = request.session.testsfailed
    with ControlPlane() as cluster:
        cluster.install_definitions()
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed


@pytest.fixture(scope="session")
def bare(request):
    """A control plane of its own, with our kinds and no operator: what the definitions alone do."""
    failed = request.session.testsfailed
    with ControlPlane("bare") as bare:
        bare.install_definitions()
        yield bare
        bare.keep_logs = request.session.testsfailed > failed


@pytest.fixture
def bare_namespace(bare, request):
    yield from a_namespace(bare, request)


@pytest.fixture(scope="session")
def node(request):
    """A cluster with a node."""
    failed = request.session.testsfailed
    with NodeCluster() as node:
        yield node
        node.keep_logs = request.session.testsfailed > failed


@pytest.fixture
def node_namespace(node, request):
    yield from a_namespace(node, request)


@pytest.fixture(scope="session")
def installed(cluster):
    """The operator outside of its cluster, as one develops it: the chart makes all but its pods. Its kubeconfig."""
    port = free_port()
    chart.install(cluster, {"webhooks": {"url": f"https://{HOST}:{port}", "failurePolicy": "Fail"}, "crds": {"enabled": False}})
    token = cluster.token(chart.NAMESPACE, chart.RELEASE, expirationSeconds=6 * 3600)
    kubeconfig = cluster.authority.kubeconfig(cluster.folder / "operator.kubeconfig", cluster.server, token=token)
    return kubeconfig, port


@pytest.fixture(scope="session")
def operator(cluster, installed):
    """The operator as a process, with exactly the chart's rights. A test that ends it starts it again."""
    kubeconfig, port = installed
    with OperatorProcess(cluster, kubeconfig, port=port) as operator:
        # They know its certificate a little after it is ready.
        installation.until_webhooks_answer(cluster)
        cluster.until("what is wrong to be refused", lambda: chart.is_validated(cluster))
        yield operator
    assert operator.refusals() == [], "the chart's rights don't suffice"


@pytest.fixture
def namespace(cluster, request):
    """The name of a namespace of the test's own."""
    yield from a_namespace(cluster, request)


def a_namespace(cluster, request):
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50].rstrip("-")
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # Pods need its service account. The controllers make one too, but after an API server's absence they may rest for a minute.
    cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
    yield name
    # Its content goes in time; a name is used once.
    cluster.api.delete("Namespace", None, name)


@pytest.fixture(scope="session")
def outrigger(node):
    """Outrigger on the node, as the chart installs it."""
    installation.install(node)
    return node
