"""The google-genai package in strict mode: its types forbid unknown fields, which its client would drop."""

import json
import urllib.error
import urllib.request

from google import genai
from google.genai import types
from replies import BASE, run

client = genai.Client(api_key="dummy", http_options=types.HttpOptions(base_url=BASE))
FINISHES = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "filtered"}
ASKED = {"contents": [{"role": "user", "parts": [{"text": "Say what you said."}]}]}


def lines(path, body):
    request = urllib.request.Request(f"{BASE}/v1beta/models/{path}", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode().split("\n")
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error}: {error.read().decode()}") from None


def checked(text):
    return types.GenerateContentResponse.model_validate(json.loads(text))


def said(answers):
    candidates = [answer.candidates[0] for answer in answers if answer.candidates]
    assert any(candidate.finish_reason for candidate in candidates), answers
    parts = [part for c in candidates if c.content for part in c.content.parts or []]
    text = "".join(part.text for part in parts if part.text and not part.thought)
    usage = next((answer.usage_metadata for answer in reversed(answers) if answer.usage_metadata), None)
    tokens = [
        (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
    ] if usage else [0, 0]  # fmt: skip
    thought = "".join(part.text for part in parts if part.text and part.thought)
    calls = [[p.function_call.name, p.function_call.args or {}] for p in parts if p.function_call]
    finish = FINISHES[next(c.finish_reason.value for c in reversed(candidates) if c.finish_reason)]
    # Gemini has no reason of its own for calls.
    return text, thought, calls, tokens, "tools" if calls and finish == "stop" else finish


def whole(model):
    raw = checked("".join(lines(f"{model}:generateContent", ASKED)))
    answer = client.models.generate_content(model=model, contents=ASKED["contents"])
    assert said([raw]) == said([answer])
    return said([answer])


def streamed(model):
    events = [line for line in lines(f"{model}:streamGenerateContent?alt=sse", ASKED) if line.startswith("data: ")]
    raw = [checked(event[6:]) for event in events]
    answers = list(client.models.generate_content_stream(model=model, contents=ASKED["contents"]))
    assert said(raw) == said(answers)
    return said(answers)


def vectors(model, count):
    answer = client.models.embed_content(model=model, contents=["text"] * count)
    return [len(one.values) for one in answer.embeddings]


run(whole, streamed, vectors)
