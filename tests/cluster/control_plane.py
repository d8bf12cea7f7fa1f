"""A real control plane: etcd, the API server, the controllers and the scheduler, on free ports of loopback.

Or, in a `machine`, where a node can be added to it.
"""

import json
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager

import binaries
import logs
import runs
from api import Api
from authority import Authority
from daemon import Daemon, end, started_at
from gateway import environment, free_port
from machine import SERVICES, child_of
from waiting import until

KUBERNETES = "10.96.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
# On a quiet machine both are ready after 20 s; tests run on busy ones.
ETCD_SECONDS, API_SECONDS = 60, 180
KUBECTL_SECONDS = 120
PODS_SECONDS = 60


class ControlPlane:
    """Ready when the block is entered, removed when it ends."""

    def __init__(self, name="control-plane", bound=True, machine=None):
        self.name, self.bound, self.machine = name, bound, machine
        self.daemons = {}
        # Set when something has failed.
        self.keep_logs = False

    def __enter__(self):
        self.binary = binaries.controlplane()
        self.kubectl_binary = binaries.kubectl()
        self.folder = runs.new(self.name, self.bound)
        try:
            self.up()
        except BaseException:
            logs.report(self.down(keep_logs=True))
            raise
        return self

    def __exit__(self, kind, *_):
        if kept := self.down(keep_logs=self.keep_logs or kind is not None):
            logs.report(kept)

    def up(self):
        if self.machine:
            self.machine.up(self.folder, self.bound)
            self.daemons["machine"] = self.machine.daemon
        self.host = self.machine.address if self.machine else "127.0.0.1"
        self.port = free_port()
        self.server = f"https://{self.host}:{self.port}"
        self.authority = Authority(self.folder / "pki")
        self.start_etcd()
        self.start_api()
        self.start_controllers()

    def down(self, keep_logs=False):
        """Kills all processes at once, because nothing in them must be saved. Returns the path of kept logs, or
        None."""
        kept = runs.remove(self.folder, keep_logs)
        for daemon in self.daemons.values():
            daemon.process.wait()
        return kept

    def start(self, name, *command, **env):
        """A daemon of this cluster."""
        command = [str(word) for word in command]
        if self.machine:
            command = self.machine.inside(command)
        self.daemons[name] = Daemon(name, command, self.folder, self.bound, environment(**env))
        return self.daemons[name]

    def ready(self, what, holds, seconds):
        return until(what, holds, seconds, self.daemons.values())

    def start_etcd(self):
        local = "127.0.0.1"
        client, peer = f"http://{local}:{free_port()}", f"http://{local}:{free_port()}"
        self.etcd = client
        self.start(
            *("etcd", self.binary, "etcd", "--name=tests", f"--data-dir={self.folder / 'etcd'}"),
            *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            # Durability against a power cut does not matter in a test.
            *(f"--initial-cluster=tests={peer}", "--unsafe-no-fsync", "--log-level=warn"),
        )

    def start_api(self):
        pki = self.authority
        names = ["localhost", *"kubernetes kubernetes.default kubernetes.default.svc".split(), "127.0.0.1", KUBERNETES]
        if self.machine:
            where = [f"--advertise-address={self.machine.gateway}", "--bind-address=0.0.0.0"]
            names += [self.machine.address, self.machine.gateway]
        else:
            where = [
                *("--advertise-address=127.0.0.1", "--bind-address=127.0.0.1"),
                # Without a node no Service is reachable, and loopback is refused as an endpoint.
                "--endpoint-reconciler-type=none",
            ]
        certificate, key = pki.server("kube-apiserver", *names)
        kubelet_certificate, kubelet_key = pki.client("apiserver-kubelet", "apiserver-kubelet", "system:masters")
        self.start(
            *("kube-apiserver", self.binary, "kube-apiserver", *where, f"--secure-port={self.port}"),
            *(f"--etcd-servers={self.etcd}", f"--service-cluster-ip-range={SERVICES}", "--allow-privileged=true"),
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
            *(f"--client-ca-file={pki.certificate}", f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}"),
            *(f"--service-account-issuer={ISSUER}", f"--service-account-key-file={pki.token_public}"),
            f"--service-account-signing-key-file={pki.token_key}",
            *(f"--kubelet-client-certificate={kubelet_certificate}", f"--kubelet-client-key={kubelet_key}"),
            *(f"--kubelet-certificate-authority={pki.certificate}", "--kubelet-preferred-address-types=InternalIP"),
            "--profiling=false",
        )
        self.admin = pki.client("admin", "admin", "system:masters")
        self.api = self.client(*self.admin)
        self.kubeconfig = pki.kubeconfig(self.folder / "admin.kubeconfig", self.server, *self.admin)
        self.ready("etcd and the API server", self.is_ready, ETCD_SECONDS + API_SECONDS)

    def is_ready(self):
        return self.api.ask("GET", "/readyz").status == 200

    def restart_api(self):
        """Kills the API server, and starts it again with its data."""
        self.stop_api()
        self.resume_api()

    def stop_api(self):
        # It is no longer among the daemons that must live while a test waits.
        self.stopped = self.daemons.pop("kube-apiserver")
        if self.machine:
            # The daemon is the program that enters the machine. The API server is its child.
            child = child_of(self.stopped.pid)
            end(child, started_at(child), kill=True)
        self.stopped.stop(kill=True)

    def resume_api(self):
        server = self.stopped
        self.daemons["kube-apiserver"] = Daemon(server.name, server.command, self.folder, self.bound, environment())
        self.ready("the API server", self.is_ready, API_SECONDS)

    def back_up(self):
        """Copies etcd's data, while nobody writes."""
        self.replace_data(self.folder / "etcd", self.folder / "etcd-backup")

    def restore(self):
        """Puts the copy in place, as after a lost disk. Resource versions since then never existed."""
        self.replace_data(self.folder / "etcd-backup", self.folder / "etcd")

    def replace_data(self, source, target):
        assert self.machine is None, "the processes of a machine are not etcd itself"
        self.stop_api()
        etcd = self.daemons.pop("etcd")
        etcd.stop()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        self.daemons["etcd"] = Daemon(etcd.name, etcd.command, self.folder, self.bound, environment())
        self.resume_api()

    def forget_the_past(self):
        """Compacts etcd, so that watches can't start from earlier resource versions."""

        def etcd(what, **body):
            request = urllib.request.Request(f"{self.etcd}/v3/{what}", json.dumps(body).encode())
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())

        revision = etcd("maintenance/status")["header"]["revision"]
        etcd("kv/compaction", revision=revision, physical=True)

    def start_controllers(self):
        """The controllers create service accounts, roll out Deployments, and delete dependents."""
        pki = self.authority
        self.start(
            *("kube-controller-manager", self.binary, "kube-controller-manager", "--leader-elect=false"),
            *(f"--kubeconfig={self.known_as('kube-controller-manager')}", "--use-service-account-credentials=true"),
            *(f"--service-account-private-key-file={pki.token_key}", f"--root-ca-file={pki.certificate}"),
            *(f"--cluster-signing-cert-file={pki.certificate}", f"--cluster-signing-key-file={pki.key}"),
            *("--secure-port=0", f"--flex-volume-plugin-dir={self.folder / 'volumeplugins'}"),
            # Higher than the defaults, which are for clusters of thousands of nodes.
            *("--kube-api-qps=200", "--kube-api-burst=400", f"--service-cluster-ip-range={SERVICES}"),
        )
        self.start(
            *("kube-scheduler", self.binary, "kube-scheduler", "--leader-elect=false", "--secure-port=0"),
            f"--kubeconfig={self.known_as('kube-scheduler')}",
        )
        self.api.until("ServiceAccount", "default", "default", bool, API_SECONDS)

    def known_as(self, component):
        """A kubeconfig with the component's own rights."""
        certificate, key = self.authority.client(component, f"system:{component}")
        return self.authority.kubeconfig(self.folder / f"{component}.kubeconfig", self.server, certificate, key)

    def until(self, what, holds, seconds=PODS_SECONDS):
        return until(what, holds, seconds, self.daemons.values())

    def pods(self, namespace, selector, holds):
        """The pods of a selector, once `holds(them)`."""
        found = lambda: self.api.list("Pod", namespace, labelSelector=selector)  # noqa: E731
        return until(f"pods {selector}", lambda: (pods := found()) and holds(pods) and pods, PODS_SECONDS)

    def wait_for_event(self, namespace, kind, name, reason):
        """Waits for an Event on this object with this reason."""

        def is_it(event):
            regarding = event.get("regarding", {})
            return (regarding.get("kind"), regarding.get("name"), event.get("reason")) == (kind, name, reason)

        events = lambda: [event for event in self.api.list("Event", namespace) if is_it(event)]  # noqa: E731
        return until(f"an Event {reason} on {kind} {name}", events, PODS_SECONDS)[0]

    def client(self, certificate=None, key=None, token=None):
        return Api(self.host, self.port, self.authority.certificate, certificate, key, token)

    def token(self, namespace, service_account, **spec):
        """A token of a service account, as its pods have."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        where = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        return self.api.sound(self.api.ask("POST", where, request)).body["status"]["token"]

    def kubectl(self, *arguments, input=None, check=True, kubeconfig=None):
        """The output of kubectl, stdout and stderr. Raises if it fails, unless `check` is False."""
        command = [self.kubectl_binary, f"--kubeconfig={kubeconfig or self.kubeconfig}", *map(str, arguments)]
        # Its discovery cache is in the user's home folder by default.
        env = environment(KUBECACHEDIR=str(self.folder / "kubectl-cache"))
        done = subprocess.run(
            command, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=KUBECTL_SECONDS
        )
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))}:\n{done.stdout}")
        return done.stdout

    @contextmanager
    def following(self, namespace, pod, container="main"):
        """Follows a container's log that has at least one line. Returns a function that returns all lines once the
        log has ended."""
        command = [self.kubectl_binary, f"--kubeconfig={self.kubeconfig}", "logs", "--follow", pod, "-n", namespace, "-c", container]
        env = environment(KUBECACHEDIR=str(self.folder / "kubectl-cache"))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as kubectl:
            try:
                # Starts to follow once there is a line.
                first = kubectl.stdout.readline()
                yield lambda: (first + kubectl.communicate(timeout=KUBECTL_SECONDS)[0]).splitlines()
            finally:
                kubectl.kill()

    def install_definitions(self):
        """Installs our kinds from crds/yaml. Returns the warnings."""
        from definitions import files

        warnings = []
        for name, text in files():
            where = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
            answer = self.api.ask(
                *("PATCH", where, text, "application/apply-patch+yaml"),
                **{"fieldManager": "tests", "force": "true", "fieldValidation": "Strict"},
            )
            warnings += self.api.sound(answer).warnings
        for name, _ in files():
            self.api.until("CustomResourceDefinition", None, name, is_served)
        return warnings


def is_served(definition):
    conditions = {one["type"]: one["status"] for one in (definition or {}).get("status", {}).get("conditions") or []}
    return conditions.get("Established") == "True" and conditions.get("NamesAccepted") == "True"
