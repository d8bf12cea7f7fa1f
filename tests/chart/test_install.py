"""The chart on a real API server: installed, changed, rolled back, uninstalled."""

import json

import pytest
import yaml

from gateway import REPOSITORY
from rendered import CASES, CHART, NAMESPACE, RELEASE, Refused, objects, text
from waiting import until


def bundle(release, value):
    """What the operator does."""
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        names = [hook["name"] for hook in release.cluster.api.get(kind, None, RELEASE)["webhooks"]]
        applied = {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": RELEASE},
            "webhooks": [{"name": name, "clientConfig": {"caBundle": value}} for name in names],
        }
        release.cluster.kubectl(
            "apply", "--server-side", "--field-manager=outrigger", "-f", "-", input=json.dumps(applied)
        )


def test_install_upgrade_and_uninstall(release, namespace, authority="LS0tCg=="):
    cluster = release.cluster
    notes = release.install({})
    assert "read and write Secrets in every namespace" in notes and "kind: NetworkPolicy" in notes
    assert release.kinds("deployments", NAMESPACE)[RELEASE]["spec"]["replicas"] == 2
    assert len(release.kinds("customresourcedefinitions")) == 6
    assert [hook["clientConfig"].get("caBundle") for hook in release.hooks()] == [None] * 6

    bundle(release, authority)
    values = {"providerNamespaces": [namespace], "webhooks": {"failurePolicy": "Fail"}}
    notes = release.install(values)
    assert "every namespace" not in notes
    # The chart must not remove what the operator has written.
    assert [hook["clientConfig"].get("caBundle") for hook in release.hooks()] == [authority] * 6
    assert [hook["failurePolicy"] for hook in release.hooks()] == ["Fail", "Fail", "Fail", "Ignore", "Fail", "Ignore"]
    assert "outrigger-secrets" in release.kinds("roles", namespace)
    assert "outrigger-secrets" not in release.kinds("clusterroles")

    release.helm("rollback", RELEASE, "1")
    assert [hook["clientConfig"].get("caBundle") for hook in release.hooks()] == [authority] * 6
    assert release.kinds("roles", namespace) == {}
    assert "outrigger-secrets" in release.kinds("clusterroles")

    provider = {
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "LLMProvider",
        "metadata": {"name": "mock", "namespace": namespace}, "spec": {"type": "Mock", "mock": {"reply": "Hello"}},
    }
    cluster.api.apply(provider)
    release.helm("uninstall", RELEASE)
    assert cluster.api.get("LLMProvider", namespace, "mock")["spec"]["type"] == "Mock"
    assert len(release.kinds("customresourcedefinitions")) == 6
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        assert RELEASE not in release.kinds(kind)
    assert not [name for name in release.kinds("clusterroles") if name.startswith(RELEASE)]
    for kind in ("deployments", "services", "networkpolicies", "poddisruptionbudgets"):
        assert release.kinds(kind, NAMESPACE) == {}

    # It adopts the definitions that the uninstall left.
    release.install({})
    assert cluster.api.get("LLMProvider", namespace, "mock")["spec"]["type"] == "Mock"
    release.helm("uninstall", RELEASE)


def test_definitions_of_a_chart_of_their_own(release):
    """One team has the definitions and another the operator."""
    with pytest.raises(Refused, match="invalid ownership metadata"):
        release.helm("install", "definitions", CHART.parent / "outrigger-crds")
    release.helm("install", "definitions", CHART.parent / "outrigger-crds", "--take-ownership")
    notes = release.install({"crds": {"enabled": False}})
    assert "The definitions are not of this release" in notes
    release.helm("uninstall", RELEASE)
    release.helm("uninstall", "definitions")
    assert len(release.kinds("customresourcedefinitions")) == 6
    # And back to one chart for both.
    release.helm("install", RELEASE, CHART, "--take-ownership")
    release.helm("uninstall", RELEASE)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("cert-manager", "cert-manager-issuer", "monitoring")])
def test_every_object_is_accepted_without_a_warning(empty_cluster, name):
    """Except objects of foreign kinds (cert-manager, Prometheus)."""
    for namespace in (NAMESPACE, "llm", "research"):
        empty_cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    output = empty_cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text(CASES[name])
    )
    assert output.count("(server dry run)") == len(objects(CASES[name]))
    assert "Warning" not in output


def test_its_pods_are_restricted(empty_cluster):
    """With Pod Security's message for each way in which they are not."""
    cases = {"default": "", "openshift": "", "cert-manager": "", "host-network": "host namespaces (hostNetwork=true)"}
    for name, violation in cases.items():
        namespace = {"name": f"restricted-{name}", "labels": {"pod-security.kubernetes.io/warn": "restricted"}}
        empty_cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        rendered = text(CASES[name], "--show-only", "templates/deployment.yaml", namespace=namespace["name"])
        output = empty_cluster.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input=rendered)
        assert violation in output and ("Warning" in output) == bool(violation), output


def test_the_operator_has_the_rights_of_its_role(release, namespace):
    """`kubectl auth can-i` with its account: a few of each kind, allowed and forbidden."""
    cluster = release.cluster
    release.install({"providerNamespaces": [namespace]})
    account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}"

    def may(verb, what, where="default", name=None, part=None):
        named = f"{what}/{name}" if name else what
        of = [f"--subresource={part}"] if part else []
        output = cluster.kubectl("auth", "can-i", verb, named, *of, "-n", where, account, check=False)
        return output.splitlines()[-1] == "yes"

    try:
        assert may("patch", "llmproviders.outrigger.dev", part="status") and not may("patch", "llmproviders.outrigger.dev")
        assert may("watch", "secrets", namespace) and not may("watch", "secrets") and not may("get", "secrets")
        assert may("create", "configmaps") and not may("update", "configmaps")
        assert may("update", "secrets", NAMESPACE, "outrigger-certificates")
        assert not may("update", "secrets", NAMESPACE, "x")
        assert may("update", "leases.coordination.k8s.io", NAMESPACE, "outrigger")
        assert not may("update", "leases.coordination.k8s.io", NAMESPACE, "x")
        assert not may("create", "pods") and not may("create", "pods", part="eviction")
        assert not may("patch", "deployments.apps") and not may("create", "serviceaccounts", part="token")
    finally:
        release.helm("uninstall", RELEASE)


def test_the_policy_of_the_rights_page_limits_names(release, namespace):
    cluster = release.cluster
    (policy,) = (REPOSITORY / "docs/rights.md").read_text().split("```yaml\n")[1:]
    policy = policy.split("```")[0]
    release.install({})
    cluster.kubectl("apply", "-f", "-", input=policy)
    try:
        def write(kind, name, **more):
            object = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}} | more
            account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}"
            return cluster.kubectl("apply", "--server-side", account, "-f", "-", input=json.dumps(object), check=False)

        # A policy takes effect some moments after it is written.
        until("the policy", lambda: "the operator writes only what is named" in write("ConfigMap", "app"), 60)
        assert "the operator writes only what is named" in write("Secret", "app")
        assert "serverside-applied" in write("ConfigMap", "outrigger-search")
        assert "serverside-applied" in write("Secret", "outrigger-search", type="Opaque")
        for_account = {"name": "outrigger-a", "namespace": namespace}
        for_account["annotations"] = {"kubernetes.io/service-account.name": "default"}
        token = write("Secret", "outrigger-a", type="kubernetes.io/service-account-token", metadata=for_account)
        assert "Secrets of type Opaque only" in token
        account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}"
        assert "deleted" in cluster.kubectl("delete", "secret", "outrigger-search", "-n", namespace, account)
        listed = yaml.safe_load(cluster.kubectl("get", "configmaps", "-n", namespace, "-o", "yaml"))["items"]
        assert "outrigger-search" in {it["metadata"]["name"] for it in listed}
    finally:
        cluster.kubectl("delete", "-f", "-", input=policy)
        release.helm("uninstall", RELEASE)
