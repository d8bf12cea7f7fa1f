"""A provider as a pod that counts what it bills, and says whether its clients shall go on.

It serves OpenAI's API. Each answer has one to four tokens, by turns, which count before the answer is sent. Clients ask
`GET /gate` before each request: the test opens the gate for a sum, so that a step of the test spends so much and no more.

    GET /gate      {"open": true, "left": 3.5}: less is billed than the gate's sum of now; in so many seconds it is the last one
    PUT /gate      {"tokens": 500, "seconds": 10}: opens it for that sum, little by little within this time
    GET /billed    {"tokens": 480, "requests": 192}
"""

import http.server
import json
import threading
import time

PORT = 8080
SIZES = (1, 3, 2, 4)


class Meter:
    def __init__(self):
        self.lock = threading.Lock()
        self.tokens, self.requests = 0, 0
        self.open(0, 0)

    def bill(self):
        """The tokens of one more answer."""
        with self.lock:
            tokens = SIZES[self.requests % len(SIZES)]
            self.requests += 1
            self.tokens += tokens
            return tokens

    def open(self, tokens, seconds):
        self.first, self.last, self.seconds, self.since = self.tokens, tokens, seconds, time.monotonic()

    def gate(self):
        left = max(0, self.since + self.seconds - time.monotonic())
        passed = 1 - left / self.seconds if self.seconds else 1
        sum = self.first + (self.last - self.first) * passed
        return {"open": self.tokens < sum, "left": left}



class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet for each answer: two would wait for an acknowledgement.
    wbufsize = -1

    def do_GET(self):  # noqa: N802
        match self.path:
            case "/gate":
                self.answer(self.server.meter.gate())
            case "/billed":
                self.answer({"tokens": self.server.meter.tokens, "requests": self.server.meter.requests})
            case _:
                self.answer({}, 404)

    def do_PUT(self):  # noqa: N802
        gate = self.body()
        self.server.meter.open(gate["tokens"], gate["seconds"])
        self.answer({})

    def do_POST(self):  # noqa: N802
        request = self.body()
        tokens = self.server.meter.bill()
        self.answer({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": request["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": 1 + tokens},
        })

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def answer(self, body, status=200):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # All clients may connect at once.
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, address):
        self.meter = Meter()
        super().__init__(address, Handler)


if __name__ == "__main__":
    Server(("", PORT)).serve_forever()
