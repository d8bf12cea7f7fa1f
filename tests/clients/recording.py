"""An upstream that keeps each request as it arrived, and has it answered by a second gateway's mocks."""

import http.client
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import canary
from gateway import Gateway

# The type of the front gateway's provider for each API, and the path of its endpoint.
APIS = {"openai": ("OpenAICompatible", "/v1"), "anthropic": ("Anthropic", "/v1"), "gemini": ("Gemini", "/v1beta")}
# What the front gateway signs in with.
OWN_KEY = f"{canary.WORD}-of-the-gateway"

PROVIDER = """
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {{name: {name}}}
spec:
  type: {type}
  endpoint: {address}{path}
  credentials:
  - {{name: main, secretRef: {{name: own, key: apiKey}}}}
---"""
KEY = f"""
apiVersion: v1
kind: Secret
metadata: {{name: own}}
stringData: {{apiKey: {OWN_KEY}}}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {{name: default}}
spec: {{}}
"""


class Request(NamedTuple):
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Recorder:
    """`received`: all requests. `own`: path -> the content type and the body of what it answers by itself."""

    def __init__(self, backend, own):
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append(Request(self.path, headers, body))
                status, (content_type, answer) = 200, own.get(self.path, (None, b""))
                if content_type is None:
                    status, content_type, answer = backend.forward(self.path, body)
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Backend(Gateway):
    """The gateway whose mocks answer."""

    def forward(self, path, body):
        connection = http.client.HTTPConnection(self.base.removeprefix("http://"), timeout=30)
        try:
            connection.request("POST", path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.headers["content-type"], answer.read()
        finally:
            connection.close()


@contextmanager
def recorded_gateway(mocks, folder, own=None):
    """A gateway to three providers, and the recorder that is all of them. `mocks`: the folder of the backend's objects;
    `folder`: an empty one; `own`: see Recorder."""
    with Backend(mocks) as backend, Recorder(backend, own or {}) as recorder:
        objects = [
            PROVIDER.format(name=name, type=kind, address=recorder.address, path=path)
            for name, (kind, path) in APIS.items()
        ]
        (folder / "objects.yaml").write_text("".join(objects) + KEY)
        with Gateway(folder) as gateway:
            yield gateway, recorder
