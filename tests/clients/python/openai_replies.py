"""The openai package in strict mode: every response and every chunk must have its types."""

import json

import openai
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from replies import BASE, run

client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="dummy", max_retries=0, _strict_response_validation=True)
FINISHES = {"stop": "stop", "length": "length", "tool_calls": "tools", "content_filter": "filtered"}
USER = {"role": "user", "content": "Say what you said."}


def said(answer):
    message, usage = answer.choices[0].message, answer.usage
    calls = message.tool_calls or []
    ids = [call.id for call in calls]
    assert len(set(ids)) == len(ids) and all(ids), calls
    text = (message.content or "") + (message.refusal or "")
    tokens = [usage.prompt_tokens, usage.completion_tokens] if usage else [0, 0]
    assert usage is None or usage.total_tokens == sum(tokens), usage
    used = [[call.function.name, json.loads(call.function.arguments)] for call in calls]
    # Not in OpenAI's schema.
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
    return text, thought, used, tokens, FINISHES[answer.choices[0].finish_reason]


def finished(choice):
    assert choice.finish_reason, choice
    if choice.message.tool_calls:
        # Agents treat any other reason as the end of their loop.
        assert choice.finish_reason in ("tool_calls", "length", "content_filter"), choice.finish_reason


def whole(model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[USER])
    ChatCompletion.model_validate_json(raw.content, strict=True)
    answer = raw.parse()
    finished(answer.choices[0])
    return said(answer)


def streamed(model):
    options = {"include_usage": True}
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[USER], stream=True, stream_options=options
    )
    seen = set()
    for line in raw.http_response.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            chunk = ChatCompletionChunk.model_validate_json(line[6:], strict=True)
            # Name and id only once, in the first piece, because LangChain concatenates repeated ones.
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or []:
                    first = call.index not in seen
                    assert bool(call.id) == first and bool(call.function.name) == first, call
                    seen.add(call.index)
    with client.chat.completions.stream(model=model, messages=[USER], stream_options=options) as events:
        for _ in events:
            pass
        answer = events.get_final_completion()
    finished(answer.choices[0])
    return said(answer)


def vectors(model, count):
    raw = client.embeddings.with_raw_response.create(model=model, input=["text"] * count, encoding_format="float")
    CreateEmbeddingResponse.model_validate_json(raw.content, strict=True)
    return [len(one.embedding) for one in raw.parse().data]


run(whole, streamed, vectors)
