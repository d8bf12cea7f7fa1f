"""The tests' own provider as a pod: it serves OpenAI's API, and records the time and the key of each request.

    NAME KEY[,KEY] [SECONDS]      replies "from NAME" to requests with one of the keys, after this time

Over TLS if the files /tls/tls.crt and /tls/tls.key exist.
"""

import http.server
import json
import os
import ssl
import sys
import threading
import time

NAME, KEYS = sys.argv[1], sys.argv[2].split(",")
SECONDS = float(sys.argv[3]) if sys.argv[3:] else 0
PORT = 8080


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers["authorization"].removeprefix("Bearer ")
        print(json.dumps({"key": key, "model": request["model"], "at": time.time()}), flush=True)
        threading.Event().wait(SECONDS)
        if key not in KEYS:
            return self.answer(401, {"error": {"message": "unknown key", "type": "invalid_request_error", "code": "invalid_api_key"}})
        message = {"role": "assistant", "content": f"from {NAME}"}
        self.answer(200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        })

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", PORT), Handler)
if os.path.exists("/tls/tls.crt"):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
