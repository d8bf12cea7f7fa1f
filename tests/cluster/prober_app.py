"""An application that sends requests all the time, and writes a line of JSON whenever the reply changes.

    SECONDS      between two requests
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.parse

GATEWAY = urllib.parse.urlparse(os.environ["OPENAI_BASE_URL"])
ASKED = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]})
HEADERS = {"content-type": "application/json", "authorization": "Bearer outrigger"}

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def ask(connection):
    connection.request("POST", f"{GATEWAY.path}/chat/completions", ASKED, HEADERS)
    answer = connection.getresponse()
    response = json.loads(answer.read())
    if answer.status == 200:
        return response["choices"][0]["message"]["content"]
    return f"{answer.status} {response['error']['type']}"


before, connection, pace = None, None, threading.Event()
longest = 0
while True:
    began = time.time()
    try:
        connection = connection or http.client.HTTPConnection(GATEWAY.hostname, GATEWAY.port, timeout=30)
        says = ask(connection)
    except (OSError, http.client.HTTPException) as error:
        says, connection = f"nobody answers: {type(error).__name__}", None
    ended = time.time()
    longest = max(longest, ended - began)
    if says != before:
        print(json.dumps({"at": ended, "says": says, "longest": round(longest, 3)}), flush=True)
        before, longest = says, 0
    pace.wait(float(sys.argv[1]))
