"""What the programs share that read recorded answers, told in their SDK's dialect, in its strictest way.

A program is run as `PROGRAM BASE`, reads one JSON line a question ({"model", "stream", "vectors"}: to ask for, in a
stream or whole, or so many vectors), and prints one for each: what was said, or {"error": the traceback}.
"""

import json
import sys
import traceback
import warnings

BASE = sys.argv[1]

# An SDK that meets a word it does not know warns at most.
warnings.simplefilter("error")


def run(whole, streamed, vectors):
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if count := question["vectors"]:
                said = {"vectors": vectors(question["model"], count)}
            else:
                ask = streamed if question["stream"] else whole
                text, calls = ask(question["model"])
                said = {"text": text, "calls": calls}
        except Exception:
            said = {"error": traceback.format_exc()}
        print(json.dumps({"model": question["model"]} | said), flush=True)
