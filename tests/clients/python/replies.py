"""Shared by the programs that read recorded responses in their SDK's dialect, in its strictest mode.

A program runs as `PROGRAM BASE`, reads one JSON line for each question ({"model", "stream", "vectors"}: the model,
whether to stream, or the number of vectors), and prints one for each: the content, or {"error": the traceback}.
The finish is one word of FINISHES.
"""

import json
import sys
import traceback
import urllib.error
import urllib.request
import warnings

BASE = sys.argv[1]

# An SDK at most warns about an unknown value.
warnings.simplefilter("error")


# What the names of all dialects mean.
FINISHES = ("stop", "length", "tools", "filtered")


def post(path, body):
    """The text of a response, for SDKs that do not give it."""
    request = urllib.request.Request(f"{BASE}{path}", json.dumps(body).encode(), {"authorization": "Bearer dummy"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error}: {error.read().decode()}") from None


def run(whole, streamed, vectors):
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if count := question["vectors"]:
                said = {"vectors": vectors(question["model"], count)}
            else:
                ask = streamed if question["stream"] else whole
                text, thought, calls, tokens, finish = ask(question["model"])
                assert finish in FINISHES, finish
                said = {"text": text, "thought": thought, "calls": calls, "tokens": tokens, "finish": finish}
        except Exception:
            said = {"error": traceback.format_exc()}
        print(json.dumps({"model": question["model"]} | said), flush=True)
