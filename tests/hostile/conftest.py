"""A gateway for hostile peers, and what must always hold for it."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from gateway import ALLOCATOR, Gateway  # noqa: E402
from wire import talk  # noqa: E402

MIB = 1 << 20
# With the word that must be in no output: see canary.py.
KEY = "sk-hostile-c4n4ry-0123456789abcdef"
DIALECTS = {"openai": "OpenAICompatible", "anthropic": "Anthropic", "gemini": "Gemini"}
# A debug build kept at most 4.2 MiB after any kind of input.
KEPT = 12 * MIB


def objects(folder, certificate=None, **endpoints):
    """A mock, and a provider for each endpoint: `openai="http://127.0.0.1:1/v1"`. Each gets one attempt.

    `certificate`: the authority (PEM) with which they are verified.
    """
    def provider(name, **spec):
        return {"apiVersion": "outrigger.dev/v1alpha1", "kind": "LLMProvider", "metadata": {"name": name}, "spec": spec}

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"apiKey": KEY}}
    upstreams = [
        provider(
            name,
            type=DIALECTS[name],
            endpoint=endpoint,
            credentials=[{"name": "main", "secretRef": {"name": "key"}}],
            retry={"maxAttempts": 1},
            **({"tls": {"caRef": {"name": "ca"}}} if certificate else {}),
            timeouts={"connect": "3s", "firstToken": "3s", "idle": "2s", "total": "4s"},
        )
        for name, endpoint in endpoints.items()
    ]
    authority = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": {"ca.crt": certificate or ""}}
    names = ["mock", *endpoints]
    key = {
        "apiVersion": "outrigger.dev/v1alpha1",
        "kind": "VirtualKey",
        "metadata": {"name": "app"},
        "spec": {"providers": [{"name": name} for name in names]},
    }
    for number, one in enumerate([secret, provider("mock", type="Mock", mock={}), *upstreams, key, *([authority] if certificate else [])]):
        Path(folder, f"{number}.json").write_text(json.dumps(one))
    return folder


class Hostage(Gateway):
    """A gateway that is monitored while it is attacked."""

    @property
    def clients(self):
        host, port = self.base.removeprefix("http://").split(":")
        return host, int(port)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def answers(self):
        """A normal client's next request is served."""
        body = b'{"model": "mock/m", "messages": [{"role": "user", "content": "Hello"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        assert talk(self.clients, head.encode() + body) == "200"

    def is_well(self):
        assert self.process.poll() is None, self.log.read_text()
        log = self.log.read_text(errors="replace")
        assert "panicked" not in log, log
        assert KEY not in log, "the credential is in the log"
        self.answers()


@pytest.fixture(scope="module")
def start():
    """Starts gateways, and ends them with the module."""
    started = []
    folders = []

    def run(**endpoints):
        folders.append(tempfile.TemporaryDirectory(prefix="outrigger-hostile-"))
        gateway = Hostage(objects(folders[-1].name, **endpoints), **ALLOCATOR)
        gateway.__enter__()
        started.append(gateway)
        gateway.answers()
        return gateway

    yield run
    for gateway in started:
        gateway.__exit__()
    for folder in folders:
        folder.cleanup()


@pytest.fixture(scope="module")
def gateway(start):
    return start()


@pytest.fixture
def watched(gateway):
    """Around a kind of input: no resource is kept, and the gateway still serves."""
    gateway.is_well()
    descriptors, resident = gateway.descriptors(), gateway.resident()
    yield gateway
    gateway.is_well()
    # A closed connection is noticed as soon as its task runs.
    gateway.until(lambda: gateway.descriptors() <= descriptors + 2)
    grown = gateway.resident() - resident
    assert grown < KEPT, f"{grown / MIB:.0f} MiB more are resident than before"
