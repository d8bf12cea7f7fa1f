"""A client of the API server: responses with their status and warnings, and waiting by watches."""

import http.client
import json
import ssl
import time
import urllib.parse
from dataclasses import dataclass, field

SECONDS = 30

# The API path of each kind in the tests.
KINDS = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Namespace": ("api/v1", "namespaces"),
    "Node": ("api/v1", "nodes"),
    "Pod": ("api/v1", "pods"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "CronJob": ("apis/batch/v1", "cronjobs"),
    "DaemonSet": ("apis/apps/v1", "daemonsets"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Event": ("apis/events.k8s.io/v1", "events"),
    "Job": ("apis/batch/v1", "jobs"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "MutatingWebhookConfiguration": ("apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
    "ValidatingWebhookConfiguration": ("apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
    "Budget": ("apis/outrigger.dev/v1alpha1", "budgets"),
    "LedgerShard": ("apis/outrigger.dev/v1alpha1", "ledgershards"),
    "LLMProvider": ("apis/outrigger.dev/v1alpha1", "llmproviders"),
    "ModelCatalog": ("apis/outrigger.dev/v1alpha1", "modelcatalogs"),
    "RoutingRule": ("apis/outrigger.dev/v1alpha1", "routingrules"),
    "VirtualKey": ("apis/outrigger.dev/v1alpha1", "virtualkeys"),
}


@dataclass
class Answer:
    status: int
    body: dict
    warnings: list = field(default_factory=list)

    @property
    def message(self):
        """The reason of a refusal."""
        return self.body.get("message", "")


class Refused(RuntimeError):
    """A call that must succeed was refused."""


def path(kind, namespace=None, name=None, subresource=None):
    version, plural = KINDS[kind]
    parts = ["", version, *(("namespaces", namespace) if namespace else ()), plural]
    return "/".join(parts + [part for part in (name, subresource) if part])


class Api:
    """Authenticates with a client certificate or with a token."""

    def __init__(self, host, port, authority, certificate=None, key=None, token=None):
        self.host, self.port = host, port
        self.context = ssl.create_default_context(cafile=authority)
        if certificate:
            self.context.load_cert_chain(certificate, key)
        self.headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self.idle = None

    def connection(self, seconds=SECONDS):
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=seconds)

    def ask(self, method, path, body=None, content_type="application/json", **query):
        """Sends one request on the kept connection. If the server has closed it, retries once on a new one."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        headers = self.headers | ({"Content-Type": content_type} if body is not None else {})
        idle, self.idle = self.idle, None
        connection = idle or self.connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            connection.close()
            if idle is None:
                raise
            return self.ask(method, path, body, content_type)
        text = response.read()
        self.idle = connection
        # One `299 - "text"` in each header.
        warnings = [warning.split(" ", 2)[2].strip('"') for warning in response.headers.get_all("Warning", [])]
        if response.headers.get_content_type() == "application/json":
            content = json.loads(text)
        else:
            content = {"message": text.decode(errors="replace")}
        return Answer(response.status, content, warnings)

    def get(self, kind, namespace=None, name=None):
        """The object, or None."""
        answer = self.ask("GET", path(kind, namespace, name))
        return None if answer.status == 404 else self.sound(answer).body

    def list(self, kind, namespace=None, **query):
        # An empty list may be null.
        return self.sound(self.ask("GET", path(kind, namespace), **query)).body["items"] or []

    def create(self, object, **query):
        """Returns the response in any case."""
        meta = object["metadata"]
        return self.ask("POST", path(object["kind"], meta.get("namespace")), object, **query)

    def try_apply(self, object, manager="tests", **query):
        """Server-side apply. Returns the response in any case."""
        meta = object["metadata"]
        where = path(object["kind"], meta.get("namespace"), meta["name"])
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"} | query
        return self.ask("PATCH", where, object, "application/apply-patch+yaml", **query)

    def apply(self, object, **query):
        return self.sound(self.try_apply(object, **query)).body

    def merge(self, kind, namespace, name, change, subresource=None):
        where = path(kind, namespace, name, subresource)
        return self.sound(self.ask("PATCH", where, change, "application/merge-patch+json")).body

    def delete(self, kind, namespace, name, **query):
        answer = self.ask("DELETE", path(kind, namespace, name), **query)
        if answer.status != 404:
            self.sound(answer)

    def sound(self, answer):
        if answer.status >= 300:
            raise Refused(f"{answer.status}: {answer.message}")
        return answer

    def until(self, kind, namespace, name, holds, seconds=SECONDS):
        """Watches one object until `holds(object)`, and returns it or the result of `holds`. A missing object is
        None."""
        deadline = time.monotonic() + seconds
        seen = None
        while (left := deadline - time.monotonic()) > 0:
            # Lists first, so that a missing object is seen too, and then watches.
            one = {"fieldSelector": f"metadata.name={name}"}
            listed = self.sound(self.ask("GET", path(kind, namespace), **one)).body
            # Items of a list have neither kind nor version, and the callers do not need them.
            seen = next(iter(listed["items"] or []), None)
            if given := holds(seen):
                return seen if given is True else given
            version = listed["metadata"]["resourceVersion"]
            for event in self.events(kind, namespace, min(left, 300), resourceVersion=version, **one):
                if event["type"] == "ERROR":
                    break
                seen = None if event["type"] == "DELETED" else event["object"]
                if given := holds(seen):
                    return seen if given is True else given
        raise TimeoutError(f"{kind} {namespace}/{name}: not within {seconds} s; it is\n{json.dumps(seen, indent=1)}")

    def events(self, kind, namespace, seconds, **query):
        """The events of a watch within a time."""
        deadline = time.monotonic() + seconds
        query |= {"watch": "true", "timeoutSeconds": max(1, round(seconds))}
        connection = self.connection(seconds)
        try:
            connection.request("GET", path(kind, namespace) + "?" + urllib.parse.urlencode(query), headers=self.headers)
            response = connection.getresponse()
            if response.status != 200:
                raise Refused(f"{response.status}: {response.read().decode(errors='replace')}")
            while time.monotonic() < deadline and (line := response.readline()):
                yield json.loads(line)
        except TimeoutError:
            return
        finally:
            connection.close()
