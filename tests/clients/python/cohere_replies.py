"""The cohere package with its own types, which its client does not check."""

import json

import cohere
from cohere.v2.types import V2ChatResponse
from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse
from replies import BASE, post, run
from strict import checked

client = cohere.ClientV2(api_key="dummy", base_url=BASE, timeout=60)
FINISHES = {
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tools", "ERROR": "filtered"
}  # fmt: skip
START = "MessageStartV2ChatStreamResponse.delta.message"
# Cohere itself sends them, although its types do not name them.
SENT = [
    *(f"{START}.{name}" for name in ("content", "tool_plan", "tool_calls", "citations")),
    "V2ChatResponse.usage.tokens.reasoning_tokens",
    "MessageEndV2ChatStreamResponse.delta.usage.tokens.reasoning_tokens",
]
ASKED = [{"role": "user", "content": "Say what you said."}]


def raw(model, stream):
    return post("/v2/chat", {"model": model, "messages": ASKED, "stream": stream})


def calls_of(calls):
    ids = [call.id for call in calls]
    assert len(set(ids)) == len(ids) and all(ids), calls
    return [[call.function.name, json.loads(call.function.arguments)] for call in calls]


def tokens_of(usage):
    tokens = usage.tokens if usage else None
    return [int(tokens.input_tokens or 0), int(tokens.output_tokens or 0)] if tokens else [0, 0]


def said(answer):
    message, calls = answer.message, answer.message.tool_calls or []
    text = "".join(part.text for part in message.content or [] if part.type == "text")
    thought = "".join(part.thinking for part in message.content or [] if part.type == "thinking")
    text = (message.tool_plan or "") + text
    return text, thought, calls_of(calls), tokens_of(answer.usage), FINISHES[answer.finish_reason]


def whole(model):
    answer = checked(V2ChatResponse, raw(model, False), SENT)
    assert said(answer) == said(client.chat(model=model, messages=ASKED))
    return said(answer)


def joined(events):
    """What an application puts together."""
    text, thought, calls, arguments, end = "", "", [], [], None
    begun, ended, kinds = set(), set(), [event.type for event in events]
    assert kinds[0] == "message-start" and kinds[-1] == "message-end", kinds
    for event in events:
        match event.type:
            case "content-start" | "content-delta":
                begun.add(event.index)
                assert event.index not in ended, event
                text += event.delta.message.content.text or ""
                thought += event.delta.message.content.thinking or ""
            case "content-end":
                ended.add(event.index)
            case "tool-plan-delta":
                text += event.delta.message.tool_plan
            case "tool-call-start":
                assert event.index == len(calls), event
                calls.append(event.delta.message.tool_calls)
                arguments.append(calls[-1].function.arguments or "")
            case "tool-call-delta":
                assert event.index == len(calls) - 1, event
                arguments[-1] += event.delta.message.tool_calls.function.arguments
            case "message-end":
                end = event.delta
    assert begun == ended, kinds
    assert kinds.count("tool-call-start") == kinds.count("tool-call-end") == len(calls), kinds
    for call, given in zip(calls, arguments):
        call.function.arguments = given
    return text, thought, calls_of(calls), tokens_of(end.usage), FINISHES[end.finish_reason]


def streamed(model):
    lines = [line[5:].strip() for line in raw(model, True).split("\n") if line.startswith("data:")]
    events = [checked(V2ChatStreamResponse, line, SENT) for line in lines if line != "[DONE]"]
    answer = joined(events)
    assert answer == joined(list(client.chat_stream(model=model, messages=ASKED)))
    return answer


def vectors(model, count):
    raise AssertionError("not asked")


run(whole, streamed, vectors)
