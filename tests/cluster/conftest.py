"""Fixtures of the cluster tests. A test whose program is missing fails and names it."""

import hashlib
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
    """A control plane with our kinds and without nodes: pods are created, and never scheduled."""
    failed = request.session.testsfailed
    with ControlPlane() as cluster:
        cluster.install_definitions()
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed


@pytest.fixture(scope="session")
def bare(request):
    """Its own control plane, with our kinds and no operator: tests what the definitions alone do."""
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
    """The operator outside of the cluster, as in development: the chart installs everything except its pods.
    Yields its kubeconfig."""
    port = free_port()
    chart.install(cluster, {"webhooks": {"url": f"https://{HOST}:{port}", "failurePolicy": "Fail"}, "crds": {"enabled": False}})
    token = cluster.token(chart.NAMESPACE, chart.RELEASE, expirationSeconds=6 * 3600)
    kubeconfig = cluster.authority.kubeconfig(cluster.folder / "operator.kubeconfig", cluster.server, token=token)
    return kubeconfig, port


@pytest.fixture(scope="session")
def operator(cluster, installed):
    """The operator as a process, with exactly the chart's rights. A test that ends it must start it again."""
    kubeconfig, port = installed
    with OperatorProcess(cluster, kubeconfig, port=port) as operator:
        # The webhooks get its certificate a little after it is ready.
        installation.until_webhooks_answer(cluster)
        cluster.until("what is wrong to be refused", lambda: chart.is_validated(cluster))
        yield operator
    assert operator.refusals() == [], "the chart's rights don't suffice"


@pytest.fixture
def namespace(cluster, request):
    """The name of a namespace for one test."""
    yield from a_namespace(cluster, request)


def a_namespace(cluster, request):
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    if len(name) > 40:
        # The cases of a test may differ only in what is cut off.
        name = f"{name[:33].rstrip('-')}-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:6]}"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # Pods need its service account. The controllers create one too, but after an outage of the API server they may
    # pause for a minute.
    cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
    yield name
    # Its content is deleted later, so each name is used once.
    cluster.api.delete("Namespace", None, name)


@pytest.fixture(scope="session")
def outrigger(node):
    """Outrigger on the node, installed with the chart."""
    installation.install(node)
    return node
