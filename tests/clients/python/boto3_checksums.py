"""boto3 reads a stream of the gateway's as it is, and rejects it wherever one byte is another.

Run as `boto3_checksums.py BASE PROVIDER MODEL`. A server of its own plays the stream to boto3.
"""

import json
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.eventstream import ParserError
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from scenario import BASE, GREETING, PINNED, equal, run

QUESTION = {"modelId": PINNED, "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def recorded():
    """The bytes of a stream of the gateway's."""
    url = f"{BASE}/model/{urllib.parse.quote(PINNED, safe='')}/converse-stream"
    request = urllib.request.Request(url, json.dumps({"messages": QUESTION["messages"]}).encode())
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        equal(answer.headers["content-type"], "application/vnd.amazon.eventstream")
        return answer.read()


class Player(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stream = b""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("content-length", str(len(self.stream)))
        self.end_headers()
        self.wfile.write(self.stream)


server = ThreadingHTTPServer(("127.0.0.1", 0), Player)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client(
    "bedrock-runtime",
    region_name="eu-central-1",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="dummy",
    config=Config(retries={"total_max_attempts": 1}),
)
STREAM = recorded()


def read(stream):
    """The text that boto3 reads in it."""
    Player.stream = stream
    events = list(client.converse_stream(**QUESTION)["stream"])
    assert "metadata" in events[-1], events[-1]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta["text"] for delta in deltas)


def intact():
    equal(read(STREAM), GREETING)


def flipped():
    for at in range(len(STREAM)):
        bit = 1 << at % 8
        try:
            read(STREAM[:at] + bytes([STREAM[at] ^ bit]) + STREAM[at + 1 :])
        except (ParserError, BotoCoreError):
            continue
        raise AssertionError(f"bit {at % 8} of byte {at} of {len(STREAM)} was flipped, and boto3 did not notice")


run(intact, flipped, own=(None, []))
