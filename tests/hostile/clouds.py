"""Every token server and every provider on one port: what a gateway proves itself with, and whom it calls then.

Each token holds the canary. The providers answer, or refuse and quote everything that they got.
"""

import base64
import datetime
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from answers import WHOLE
from canary import WORD

CONVERSE = json.dumps({
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    "metrics": {"latencyMs": 7},
}).encode()  # fmt: skip
SESSION = {"secret": f"wJalrXUtnFEMI/K7MDENG+{WORD}KEY", "token": f"AQoDYXdzEPT//w{WORD}4764bNrC9SAPBSM22w=="}


def later():
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def quoted(text):
    """A text in the forms in which a server may quote it."""
    data = text.encode()
    return [text, urllib.parse.quote(text, safe=""), base64.b64encode(data).decode(), data.hex(), json.dumps(text)]


class Clouds(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Cloud)
        self.address = f"127.0.0.1:{self.server_port}"
        # The status of refusals; None while providers answer.
        self.refuses = None
        # The providers that were called with a credential in plain, and whom tokens were made for.
        self.called, self.proved = set(), set()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Cloud(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["content-length"])))

    def answer(self, body):
        server, path = self.server, self.path
        form = dict(urllib.parse.parse_qsl(body.decode())) if b"=" in body[:40] else {}
        if path == "/agent":
            self.proves("agent", self.headers["authorization"])
            keys = {"AccessKeyId": "ASIAAGENT", "SecretAccessKey": SESSION["secret"], "Token": SESSION["token"]}
            self.send(200, json.dumps(keys | {"Expiration": later()}).encode())
        elif path == "/sts/" or path == "/sts":
            self.proves("sts", form["WebIdentityToken"])
            self.send(200, (
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                f"<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>{SESSION['secret']}</SecretAccessKey>"
                f"<SessionToken>{SESSION['token']}</SessionToken><Expiration>{later()}</Expiration></Credentials>"
                "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            ).encode())  # fmt: skip
        elif path.endswith("/token"):
            # Google's and Microsoft's, and Google's metadata server.
            self.proves("token", form.get("client_secret") or form.get("client_assertion") or form.get("assertion", ""))
            token = {"access_token": f"ya29.{WORD}-0123456789", "expires_in": 3600, "token_type": "Bearer"}
            self.send(200, json.dumps(token).encode())
        elif server.refuses:
            # The credential first, since a log shows only the beginning.
            values = sorted(self.headers.values(), key=lambda value: WORD not in value)
            told = [form for value in values for form in quoted(value)]
            error = {"message": " ".join(told), "type": "invalid_request_error", "param": told[0], "code": told}
            self.send(server.refuses, json.dumps({"error": error, "message": told, "headers": told}).encode())
        else:
            if WORD in str(self.headers):
                server.called.add(path.split("/")[1])
            dialects = {"/messages": WHOLE["anthropic"], ":generateContent": WHOLE["gemini"], "/converse": CONVERSE}
            found = [answer for end, answer in dialects.items() if path.endswith(end)]
            self.send(200, found[0] if found else WHOLE["openai"])

    def proves(self, who, proof):
        self.server.proved.add(who)
        if WORD in (proof or ""):
            self.server.proved.add(f"{who} with the canary")

    def send(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if status >= 400:
            for number, value in enumerate(self.headers.values()):
                self.send_header(f"x-quoted-{number}", value)
        self.end_headers()
        self.wfile.write(body)
