"""An application that asks all the time, and writes down when it was told something else: a line of JSON at each change.

    SECONDS      between two questions
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
    told = json.loads(answer.read())
    if answer.status == 200:
        return told["choices"][0]["message"]["content"]
    return f"{answer.status} {told['error']['type']}"


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
