"""Shared by the programs that send pictures, documents and recordings.

A program runs as `PROGRAM BASE FOLDER`: the files are in FOLDER. It asks each provider each of its questions, whose
text is `NAME to PROVIDER`, and prints one JSON line for each: {"scenario": that text, "error": null or what is wrong}.
A question without a provider is asked once.
"""

import json
import sys
import traceback
from pathlib import Path

BASE, FOLDER = sys.argv[1], Path(sys.argv[2])
MODELS = {"openai": "gpt-4o", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
PICTURE, DOCUMENT, SOUND = (FOLDER / name for name in ("picture.png", "document.pdf", "sound.wav"))


def report(name, ask, *arguments):
    error = None
    try:
        ask(*arguments)
    except Exception:
        error = traceback.format_exc()
    print(json.dumps({"scenario": name, "error": error}), flush=True)


def refused(kind, status, word, ask):
    """The SDK's error for a refusal, whose message must name the reason."""
    try:
        answer = ask()
    except kind as error:
        found = getattr(error, "status_code", None) or getattr(error, "code", None)
        assert (found, word in str(error)) == (status, True), error
        return
    raise AssertionError(f"no {kind.__name__}, but {answer!r}")


def to_each(ask, questions):
    """`ask(model, text, question)` returns the answer's text. A question may have a refusal: a function that takes
    the call, for the providers that it is refused for."""
    for name, (question, refusals) in questions.items():
        for provider, model in MODELS.items():
            text = f"{name} to {provider}"

            def check():
                call = lambda: ask(f"{provider}/{model}", text, question)
                if provider in refusals:
                    refusals[provider](call)
                else:
                    assert call().startswith("Hello from"), text

            report(text, check)
