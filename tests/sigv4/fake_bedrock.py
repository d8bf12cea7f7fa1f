"""An Amazon Bedrock that answers only requests with a signature that botocore makes too, or with an API key.

It is also the token service (STS) and the agent of a node: both give a key that expires, with a session token. Prints
its port. Each answer says who signed the request, or below the path of a name, like a mock, who answered.
"""

import datetime
import json
import re
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import bedrock_answers as answers
import botocore.auth
from bedrock_answers import chunk, halves
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# With the word that must be in no output: see tests/canary.py.
SECRET = "wJalrXUtnFEMI/K7MDENG+c4n4ryEXAMPLEKEY"
SESSION = "AQoDYXdzEPT//wc4n4ryEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4=="
API_KEY = "ABSKc4n4ryQmVkcm9ja0FQSUtleS0xMjM0NTY="
# Key id -> session token.
KEYS = {"AKIDFIXED": None, "ASIAROLE": SESSION, "ASIAAGENT": SESSION}
# Models that answer with an error.
ERRORS = {
    "limited-bedrock": (429, "ThrottlingException", "Too many requests"),
    "refused": (400, "ValidationException", "The request is not valid"),
    "forbidden": (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
}
REGION = "eu-central-1"
SIGNING = threading.Lock()


class Bedrock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        assert self.path == "/agent" and self.headers["authorization"].count(".") == 2, self.path
        self.send("application/json", json.dumps(
            {"AccessKeyId": "ASIAAGENT", "SecretAccessKey": SECRET, "Token": SESSION, "Expiration": later()}
        ))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-type"] == "application/x-www-form-urlencoded":
            return self.assume(dict(urllib.parse.parse_qsl(body.decode())))
        signer = self.signer(body)
        if signer is None:
            error = {"message": "The request signature we calculated does not match the signature you provided."}
            return self.send("application/json", json.dumps(error), 403, "InvalidSignatureException")
        name, model, verb = re.fullmatch(r"(?:/([^/]+))?/model/([^/]+)/([a-z-]+)", self.path).groups()
        model = urllib.parse.unquote(model)
        if model in ERRORS:
            status, kind, words = ERRORS[model]
            return self.send("application/json", json.dumps({"message": words}), status, kind)
        text = f"Hello from {name}/{model}" if name else f"{model} for {signer}"
        if verb == "invoke":
            return self.invoke(text)
        if verb == "invoke-with-response-stream":
            return self.invoke_stream(text)
        content = answers.blocks(json.loads(body), text)
        if verb == "converse":
            return self.send("application/json", json.dumps(answers.whole(content)))
        self.send("application/vnd.amazon.eventstream", b"".join(answers.events(content)))

    def signer(self, body):
        """Who signed the request; None if the signature is not botocore's."""
        told = self.headers["authorization"] or ""
        if told == f"Bearer {API_KEY}":
            return "the API key"
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/bedrock/aws4_request, SignedHeaders=([\w;-]+), Signature=\w+",
            told,
        )
        if not found or found[2] != REGION or KEYS.get(found[1]) != self.headers["x-amz-security-token"]:
            return None
        named = {name: self.headers[name] for name in found[3].split(";") if name != "x-amz-date"}
        request = AWSRequest("POST", f"http://{self.headers['host']}{self.path}", named, body)
        now = datetime.datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        with SIGNING:
            botocore.auth.get_current_datetime = lambda: now
            botocore.auth.SigV4Auth(Credentials(found[1], SECRET, KEYS[found[1]]), "bedrock", REGION).add_auth(request)
        return found[1] if request.headers["Authorization"] == told else None

    def assume(self, form):
        assert form["Action"] == "AssumeRoleWithWebIdentity" and form["WebIdentityToken"].count(".") == 2, form
        self.send("text/xml", (
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<SessionToken>{SESSION}</SessionToken><Expiration>{later()}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ))

    def invoke(self, text):
        self.send("application/json", json.dumps(self.anthropic([{"type": "text", "text": text}], "end_turn", 5)))

    def invoke_stream(self, text):
        events = [{"type": "message_start", "message": self.anthropic([], None, 1)}]
        events += [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
        events += [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}} for part in halves(text)
        ]
        events += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}},
            {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 5}},
        ]
        self.send("application/vnd.amazon.eventstream", b"".join(map(chunk, events)))

    def anthropic(self, content, stop, tokens):
        usage = {"input_tokens": 3, "output_tokens": tokens}
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": usage,
        }

    def send(self, kind, text, status=200, error=None):
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-amzn-requestid", "00000000-0000-0000-0000-000000000000")
        if error:
            self.send_header("x-amzn-errortype", f"{error}:http://internal.amazon.com/coral/com.amazon.bedrock/")
        self.end_headers()
        # In pieces that end anywhere.
        for at in range(0, len(body), 77):
            self.wfile.write(body[at : at + 77])


def later():
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
    print(server.server_port, flush=True)
    sys.stdout.close()
    server.serve_forever()
