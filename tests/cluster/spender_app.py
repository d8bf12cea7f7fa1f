"""An application that spends a budget, with several clients at once.

    WORKERS METER [ANSWERS]       spends while the gate of the provider is open (metered_pod.py), until the pod ends; or until
                                  each client has so many answers

Writes each kind of outcome when it first occurs, and in the last line how often each one occurred, as JSON.
"""

import collections
import http.client
import json
import os
import signal
import sys
import threading
import urllib.parse

WORKERS, METER = int(sys.argv[1]), urllib.parse.urlparse(sys.argv[2])
ANSWERS = int(sys.argv[3]) if sys.argv[3:] else None
GATEWAY = urllib.parse.urlparse(os.environ["OPENAI_BASE_URL"])
ASKED = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]})
HEADERS = {"content-type": "application/json", "authorization": "Bearer outrigger"}
# Between two looks at the gate.
PAUSE_SECONDS = 0.2
# Between two requests of a client, so that the clients of all pods share a small machine.
PACE_SECONDS = 1

ending, going = threading.Event(), threading.Event()
outcomes, lock = collections.Counter(), threading.Lock()


class Peer:
    """A server, on one connection that is kept."""

    def __init__(self, url):
        self.url, self.connection = url, None

    def ask(self, method, path, body=None, headers=HEADERS):
        """(status, response); raises OSError or HTTPException."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise


def watch_gate():
    """Sets `going` while the gate is open. One look for all clients."""
    meter = Peer(METER)
    while not ending.is_set():
        try:
            is_open = meter.ask("GET", "/gate")[1]["open"]
        except (OSError, http.client.HTTPException):
            is_open = False
        (going.set if is_open else going.clear)()
        ending.wait(PAUSE_SECONDS)


def outcome(gateway):
    try:
        status, answer = gateway.ask("POST", f"{GATEWAY.path}/chat/completions", ASKED)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}"
    return "answered" if status == 200 else f"{status} {answer['error']['type']}"


def work():
    gateway, answered = Peer(GATEWAY), 0
    while not ending.is_set() and answered != ANSWERS:
        if not going.wait(PAUSE_SECONDS):
            continue
        what = outcome(gateway)
        with lock:
            if not outcomes[what]:
                print(what, flush=True)
            outcomes[what] += 1
        # What was refused is tried again, as the SDKs do.
        answered += what == "answered"
        ending.wait(PACE_SECONDS)


signal.signal(signal.SIGTERM, lambda *_: ending.set())
if ANSWERS is None:
    threading.Thread(target=watch_gate, daemon=True).start()
else:
    going.set()
workers = [threading.Thread(target=work) for _ in range(WORKERS)]
for worker in workers:
    worker.start()
# Waits in a way that handles signals.
for worker in workers:
    while worker.is_alive():
        worker.join(1)
print(json.dumps(outcomes), flush=True)
