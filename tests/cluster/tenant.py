"""A user with the ClusterRole `edit` in one namespace by a RoleBinding, and no other rights."""

from waiting import until

ACCOUNT, ROLE = "tenant", "edit"
SECONDS = 60


class Tenant:
    """A service account of the namespace. Its rights are what the API server allows."""

    def __init__(self, node, namespace):
        self.node, self.namespace = node, namespace
        node.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}})
        node.api.apply({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": ACCOUNT, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        })
        self.token = node.token(namespace, ACCOUNT, expirationSeconds=3600)
        self.api = self.another()
        # A controller aggregates the role from others, including ours.
        until("its rights", lambda: self.may("create", "routingrules", "outrigger.dev"), SECONDS, node.daemons.values())

    def another(self):
        """The API server, with this account on its own connection."""
        return self.node.client(token=self.token)

    def may(self, verb, resource, group="", namespace=None, subresource=""):
        attributes = {"verb": verb, "resource": resource, "group": group, "namespace": namespace or self.namespace}
        if subresource:
            attributes["subresource"] = subresource
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.api.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return self.api.sound(answer).body["status"]["allowed"]

    def kubeconfig(self):
        file = self.node.folder / f"{self.namespace}.kubeconfig"
        return self.node.authority.kubeconfig(file, self.node.server, token=self.token)

    def kubectl(self, *arguments, check=False, input=None):
        return self.node.kubectl("-n", self.namespace, *arguments, input=input, check=check, kubeconfig=self.kubeconfig())

