"""A cluster with one node: a control plane in its own machine, with containerd, the kubelet and kube-proxy."""

import json
import shutil
import subprocess
import tempfile
from contextlib import suppress

import images
import runs
from api import path
from binaries import DEBIAN, Missing
from control_plane import ControlPlane
from machine import GATEWAY, PODS, SERVICES, Machine

NAME = "node"
DOMAIN = "cluster.local"
CNI = "/usr/lib/cni"
CONTAINERD_SECONDS, NODE_SECONDS, IMPORT_SECONDS = 60, 180, 120
# On a quiet machine a pod is ready after 3 s, a Deployment with its gateway after 10.
READY_SECONDS = 120
NEEDED = ["containerd", "ctr", "runc", "busybox", "nft", "ip", "nsenter", "unshare", "setpriv"]


class NodeCluster(ControlPlane):
    """A control plane with a Ready node and no default route, so that its pods' traffic stays on this
    machine."""

    def __init__(self, name="node", bound=True):
        super().__init__(name, bound, Machine())

    def up(self):
        missing = [program for program in NEEDED if not shutil.which(program)]
        if missing:
            raise Missing(f"no {', '.join(missing)}: scripts/node-packages.sh installs them ({DEBIAN})")
        super().up()
        self.start_containerd()
        for name in images.ALWAYS:
            self.load(name)
        self.start_kubelet()
        self.start_proxy()
        self.api.until("Node", None, NAME, is_ready, NODE_SECONDS)

    def start_containerd(self):
        base = self.folder / "containerd"
        self.socket = base / "containerd.sock"
        self.where = [f"--address={self.socket}", "--namespace=k8s.io"]
        network = self.folder / "network"
        for made in (base, network):
            made.mkdir()
        bridge = {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "ipMasq": False,
            # A pod can reach itself by its Service.
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.folder / "addresses"),
                "ranges": [[{"subnet": PODS, "gateway": GATEWAY, "rangeStart": "10.88.1.1"}]],
                "routes": [{"dst": SERVICES}],
            },
        }
        plugins = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}
        (network / "10-pods.conflist").write_text(json.dumps(plugins))
        configuration = base / "containerd.toml"
        # Without restrict_oom_score_adj no sandbox starts if root may not lower a process's score.
        configuration.write_text(f"""version = 2
root = "{base / "root"}"
state = "{base / "state"}"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{base / "opt"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{network}"
    max_conf_num = 1
""")
        self.start("containerd", "containerd", "--config", configuration)
        self.ready("containerd", lambda: self.ctr("version", check=False).returncode == 0, CONTAINERD_SECONDS)

    def ctr(self, *arguments, check=True):
        command = self.machine.inside(["ctr", *self.where, *map(str, arguments)])
        done = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_SECONDS)
        if check and done.returncode:
            raise RuntimeError(f"ctr {arguments[0]}: {done.stderr}")
        return done

    def load(self, name):
        """Loads one of the images of images.py onto the node, under its name."""
        command = self.machine.inside(["ctr", *self.where, "images", "import", "--snapshotter=overlayfs", "-"])
        # Through a pipe, because a file would be as large as the image.
        with tempfile.TemporaryFile() as errors:
            ctr = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
            try:
                with suppress(BrokenPipeError), ctr.stdin:
                    images.write(name, ctr.stdin)
                failed = ctr.wait(IMPORT_SECONDS)
            finally:
                ctr.kill()
                ctr.wait()
            errors.seek(0)
            if failed:
                raise RuntimeError(f"ctr import {name}: {errors.read().decode(errors='replace')}")

    def lines(self, namespace, pod, container="main"):
        """The output of a container."""
        answer = self.api.ask("GET", path("Pod", namespace, pod, "log"), container=container)
        return self.api.sound(answer).body["message"].splitlines()

    def end_container(self, namespace, pod, name, signal="SIGKILL"):
        """Kills the process of a container, as when memory runs out; or sends another signal."""
        known = self.api.get("Pod", namespace, pod)["status"]
        (state,) = [one for one in known.get("initContainerStatuses", []) + known["containerStatuses"] if one["name"] == name]
        self.ctr("tasks", "kill", f"--signal={signal}", state["containerID"].removeprefix("containerd://"))

    def until_ready(self, kind, namespace, name, seconds=READY_SECONDS):
        return self.api.until(kind, namespace, name, is_ready, seconds)

    def start_kubelet(self):
        pki, base = self.authority, self.folder / "kubelet"
        base.mkdir()
        for group in [*runs.CGROUPS.glob("*/cgroup.procs"), *runs.CGROUPS.glob("cgroup.procs")]:
            (group.parent / self.folder.name).mkdir(exist_ok=True)
        certificate, key = pki.server("kubelet", NAME, "127.0.0.1", GATEWAY)
        resolver = base / "resolv.conf"
        resolver.touch()
        configuration = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "0.0.0.0",
            "healthzBindAddress": "127.0.0.1",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.folder.name}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "podLogsDir": str(self.folder / "logs" / "pods"),
            "volumePluginDir": str(base / "plugins"),
            # Empty, so that names outside are not resolved.
            "resolvConf": str(resolver),
            "clusterDNS": [GATEWAY],
            "clusterDomain": DOMAIN,
            # Images that were loaded by hand can't be pulled again.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
            # Secrets and ConfigMaps in pods are updated within seconds.
            "syncFrequency": "5s",
            "nodeStatusUpdateFrequency": "5s",
        }
        file = base / "configuration.json"
        file.write_text(json.dumps(configuration, indent=1))
        certificate, key = pki.client("kubelet-client", f"system:node:{NAME}", "system:nodes")
        kubeconfig = pki.kubeconfig(base / "kubeconfig", self.server, certificate, key)
        self.start(
            *("kubelet", self.binary, "kubelet", f"--config={file}", f"--kubeconfig={kubeconfig}"),
            *(f"--root-dir={base}", f"--cert-dir={base / 'pki'}", f"--hostname-override={NAME}", f"--node-ip={GATEWAY}"),
        )

    def start_proxy(self):
        """Services by nftables, and their DNS names. Everyone who may read Services may also resolve them."""
        kubeconfig = self.known_as("kube-proxy")
        configuration = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": NAME,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": PODS,
            "detectLocalMode": "ClusterCIDR",
            "bindAddress": GATEWAY,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "nodePortAddresses": [f"{GATEWAY}/32"],
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        file = self.folder / "kube-proxy.json"
        file.write_text(json.dumps(configuration, indent=1))
        self.start("kube-proxy", self.binary, "kube-proxy", f"--config={file}")
        self.start("minidns", self.binary, "minidns", f"--kubeconfig={kubeconfig}", f"--listen={GATEWAY}:53")


def is_ready(object):
    """Whether its condition Ready is True."""
    conditions = (object or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
