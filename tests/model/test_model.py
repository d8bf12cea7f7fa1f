"""A real model behind the gateway: its stream, its own token counts, and that it stops when the client
disconnects."""

import http.client
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
from gateway import REPOSITORY, Gateway, environment

HERE = Path(__file__).resolve().parent
MODEL = "local/gemma-3-270m"
MESSAGES = [{"role": "user", "content": "Tell me a story about a canoe."}]
LONG = 1500  # tokens: about half a minute on two cores

OBJECTS = """
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {{name: local}}
spec:
  type: OpenAICompatible
  endpoint: {address}/v1
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {{name: tests}}
spec:
  providers: [{{name: local}}]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model server's address."""
    program = [REPOSITORY / ".cache/venv/model/bin/python", HERE / "server.py"]
    log = tmp_path_factory.mktemp("model") / "log"
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            [*program, REPOSITORY / ".cache/model/gemma-3-270m-q4_k_m.gguf"],
            env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        address = next((line.strip() for line in process.stdout if line.startswith("http://")), None)
        assert address, log.read_text()
        yield address
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def gateway(model, tmp_path_factory):
    objects = tmp_path_factory.mktemp("objects")
    (objects / "objects.yaml").write_text(OBJECTS.format(address=model))
    with Gateway(objects) as running:
        yield running


def until(seconds, what, probe):
    """Calls `probe` until it is true, and returns its result."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not after {seconds} s: {what}"
        Event().wait(0.02)
    return found


def ask(base, **body):
    """The open response to a chat request."""
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    body = {"model": MODEL, "messages": MESSAGES, **body}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    return connection, connection.getresponse()


def decision(gateway, answer):
    """The record of a response, which is written after its last byte."""
    name = answer.headers["x-outrigger-decision"]
    assert name, answer.headers.items()
    return until(10, f"a record of {name}", lambda: next((d for d in gateway.decisions() if d["decision"] == name), None))


def events(answer):
    for line in answer:
        if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
            yield json.loads(line[len(b"data: ") :])


def same_counts(record, usage):
    assert record["tokens"]["input"] == usage["prompt_tokens"], record
    assert record["tokens"]["output"] == usage["completion_tokens"], record
    assert not record["usage_estimated"], record
    assert record["provider"] == "local" and record["status"] == 200, record


def metric(model, name):
    with urllib.request.urlopen(f"{model}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f"llamacpp:{name} "):
                return float(line.split()[1])
    raise AssertionError(f"the model server has no metric {name}")


def test_an_answer_and_its_counts(gateway):
    connection, answer = ask(gateway.base, max_tokens=24)
    body = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, body
    assert body["choices"][0]["message"]["content"]
    assert body["usage"]["completion_tokens"] > 0
    same_counts(decision(gateway, answer), body["usage"])


def test_a_stream_and_its_counts(gateway):
    connection, answer = ask(gateway.base, max_tokens=24, stream=True, stream_options={"include_usage": True})
    assert answer.status == 200
    chunks = list(events(answer))
    connection.close()
    pieces = [c["delta"].get("content") for chunk in chunks for c in chunk["choices"]]
    assert len([piece for piece in pieces if piece]) > 5, pieces
    (usage,) = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    same_counts(decision(gateway, answer), usage)


def test_a_streams_counts_are_recorded_without_a_clients_request(gateway, model):
    before = metric(model, "tokens_predicted_total")
    connection, answer = ask(gateway.base, max_tokens=24, stream=True)
    assert not any(chunk.get("usage") for chunk in events(answer))
    connection.close()
    record = decision(gateway, answer)
    assert not record["usage_estimated"], record
    assert record["tokens"]["output"] == metric(model, "tokens_predicted_total") - before, record


def test_a_client_that_disconnects_stops_the_model(gateway, model):
    before = metric(model, "tokens_predicted_total")
    connection, answer = ask(gateway.base, max_tokens=LONG, ignore_eos=True, stream=True)
    for _, chunk in zip(range(20), events(answer)):
        assert chunk["choices"]
    assert metric(model, "requests_processing") == 1
    answer.close()
    connection.close()

    until(60, "the model is idle", lambda: metric(model, "requests_processing") == 0)
    written = metric(model, "tokens_predicted_total") - before
    assert 15 < written < LONG / 2, written
    record = decision(gateway, answer)
    assert record["status"] == 499 and record["error_type"] == "client_closed", record
    # This server reports usage at the end, which the client did not wait for. So usage is unknown, which is not zero.
    assert record["tokens"]["output"] is None and record["tokens"]["input"] is None, record
