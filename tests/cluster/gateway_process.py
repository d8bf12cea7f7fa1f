"""A gateway as a process of this machine, for a pod that no node runs: the test acts as the pod's kubelet.

The pod and its token are real. The test does what a kubelet would do for it: report that it runs, and update its
files.
"""

import base64
import json
import shutil
import urllib.error
import urllib.request

import binaries
from daemon import Daemon
from gateway import environment, free_port
from waiting import until

SECONDS = 60
CONTAINER = "outrigger"
AUDIENCE = "outrigger"


class GatewayProcess:
    """The gateway of an injected pod. It serves once the block is entered."""

    def __init__(self, operator, object, env=None):
        self.operator, self.cluster, self.env = operator, operator.cluster, env or {}
        self.namespace, self.name = object["metadata"]["namespace"], object["metadata"]["name"]
        self.object = object

    def __enter__(self):
        # Create, not apply, because controllers create their pods too.
        self.object = self.cluster.api.sound(self.cluster.api.create(self.object)).body
        self.folder = self.cluster.folder / "gateways" / f"{self.namespace}-{self.name}"
        self.policy = self.folder / "policy"
        self.policy.mkdir(parents=True, exist_ok=True)
        self.moment = 0
        self.account = self.object["spec"]["serviceAccountName"]
        self.renew_token()
        self.mount()
        self.start()
        return self

    def __exit__(self, *_):
        self.daemon.stop(kill=True)
        self.cluster.api.delete("Pod", self.namespace, self.name, gracePeriodSeconds=0)

    @property
    def container(self):
        """The injected container."""
        return next(one for one in self.object["spec"]["initContainers"] if one["name"] == CONTAINER)

    def renew_token(self):
        bound = {"kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": self.object["metadata"]["uid"]}
        token = self.cluster.token(self.namespace, self.account, audiences=[AUDIENCE], boundObjectRef=bound)
        (self.folder / "token").write_text(token)

    def mount(self):
        """The present files of the pod's projected volume. The ConfigMap appears with the first pod that needs
        it."""
        files = {}
        volume = next(v for v in self.object["spec"]["volumes"] if v["name"] == "outrigger-policy")
        for source in volume["projected"]["sources"]:
            if map := source.get("configMap"):
                known = self.cluster.api.until("ConfigMap", self.namespace, map["name"], bool)
                for item in map["items"]:
                    if item["key"] in known.get("data", {}):
                        files[item["path"]] = known["data"][item["key"]].encode()
            if secret := source.get("secret"):
                known = self.cluster.api.get("Secret", self.namespace, secret["name"]) or {}
                for key, value in known.get("data", {}).items():
                    files[key] = base64.b64decode(value)
        self.put(files)

    def put(self, files):
        """Replaces all files at once, as a kubelet does: they are links into a folder that is replaced."""
        self.moment += 1
        now = self.policy / f"..{self.moment}"
        now.mkdir()
        for name, content in files.items():
            (now / name).write_bytes(content)
        next = self.policy / "..next"
        next.symlink_to(now.name)
        next.replace(self.policy / "..data")
        for name in files:
            if not (self.policy / name).is_symlink():
                (self.policy / name).symlink_to(f"..data/{name}")
        for stale in [one for one in self.policy.iterdir() if one.is_symlink() and not one.exists()]:
            stale.unlink()
        for before in [one for one in self.policy.iterdir() if one.is_dir() and not one.is_symlink() and one != now]:
            shutil.rmtree(before)

    def start(self):
        port, admin = free_port(), free_port()
        self.base, self.admin = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"
        command = [
            *(binaries.outrigger("outrigger-sidecar"), "--policy", self.policy, "--operator", self.operator.url),
            *("--token", self.folder / "token", "--state", self.folder / "state"),
            *("--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"),
            *self.given("--signed-by", "--policy-name"),
        ]
        pod = {"POD_NAME": self.name, "POD_NAMESPACE": self.namespace, "POD_SERVICE_ACCOUNT": self.account}
        env = environment(**pod, OUTRIGGER_LOG="info", **self.env)
        name = f"gateway-{self.namespace}-{self.name}"
        self.daemon = Daemon(name, command, self.cluster.folder, self.cluster.bound, env)
        self.until("its listener", lambda: self.get("/healthz")[0] == 200)
        self.say_that_it_runs()

    def given(self, *flags):
        """These flags of the injected arguments."""
        arguments = self.container["args"]
        return [one for flag, value in zip(arguments[::2], arguments[1::2]) if flag in flags for one in (flag, value)]

    def say_that_it_runs(self):
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        state = {"name": CONTAINER, "image": "", "imageID": "", "ready": True, "restartCount": 0, "started": True} | {
            "state": running
        }
        status = {"phase": "Running", "initContainerStatuses": [state]}
        self.cluster.api.merge("Pod", self.namespace, self.name, {"status": status}, "status")

    def restart(self):
        """Restarts the process as a kubelet restarts a container: its volumes stay."""
        self.daemon.stop(kill=True)
        self.start()

    def until(self, what, holds, seconds=SECONDS):
        return until(what, holds, seconds, [self.daemon])

    def get(self, path):
        return self.ask(self.admin + path)

    def ask(self, url, body=None, **headers):
        """(status, text), for any status."""
        request = urllib.request.Request(url, body and json.dumps(body).encode(), headers)
        if body:
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def served(self):
        """The policy in force, or None."""
        status, text = self.get("/policy")
        return json.loads(text) if status == 200 else None

    def sequence(self):
        """The sequence of the policy in force; 0 if there is none."""
        served = self.served()
        return served["policy"]["sequence"] if served else 0

    def is_connected(self):
        """Whether the operator's stream is open."""
        return (json.loads(self.get("/readyz")[1]).get("operator") or {}).get("connected", False)

    def rules(self):
        return self.served()["policy"].get("rules", [])

    def credentials(self):
        """Whether there is a value, by the credential's name."""
        return {one["credential"]: one["found"] for one in (self.served() or {}).get("credentials", [])}

    def chat(self, model="gpt-4o", **headers):
        """(status, response) of a chat request in OpenAI's API."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        status, text = self.ask(f"{self.base}/v1/chat/completions", body, **headers)
        return status, json.loads(text)

    def says(self, model="gpt-4o", **headers):
        """The reply of a model, or the type of the refusal."""
        status, answer = self.chat(model, **headers)
        return answer["choices"][0]["message"]["content"] if status == 200 else answer["error"]["type"]
