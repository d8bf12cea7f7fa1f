"""Shared by the programs that read recorded responses in their SDK's dialect, in its strictest mode.

A program runs as `PROGRAM BASE`, reads one JSON line for each question ({"model", "stream", "vectors"}: the model,
whether to stream, or the number of vectors), and prints one for each: the content, or {"error": the traceback}.
"""

import json
import sys
import traceback
import warnings

BASE = sys.argv[1]

# An SDK at most warns about an unknown value.
warnings.simplefilter("error")


def run(whole, streamed, vectors):
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if count := question["vectors"]:
                said = {"vectors": vectors(question["model"], count)}
            else:
                ask = streamed if question["stream"] else whole
                text, calls, tokens = ask(question["model"])
                said = {"text": text, "calls": calls, "tokens": tokens}
        except Exception:
            said = {"error": traceback.format_exc()}
        print(json.dumps({"model": question["model"]} | said), flush=True)
