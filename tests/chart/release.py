"""The chart as a release in a cluster."""

import json

from rendered import CHART, NAMESPACE, RELEASE, helm


class Release:
    def __init__(self, cluster):
        self.cluster = cluster

    def helm(self, *arguments, values=None):
        folder = self.cluster.folder / "helm"
        return helm(
            *arguments, "--namespace", NAMESPACE, "--kubeconfig", self.cluster.kubeconfig,
            "--repository-cache", folder, "--repository-config", folder / "repositories.yaml", values=values,
        )

    def install(self, values):
        return self.helm("upgrade", "--install", RELEASE, CHART, "--create-namespace", values=values)

    def kinds(self, kind, namespace=None):
        where = ["--namespace", namespace] if namespace else []
        listed = json.loads(self.cluster.kubectl("get", kind, *where, "-o", "json"))
        return {it["metadata"]["name"]: it for it in listed["items"]}

    def hooks(self):
        kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
        return [hook for kind in kinds for hook in self.kinds(kind)[RELEASE]["webhooks"]]
