"""The anthropic package in strict mode: every response and every event must have its types."""

import anthropic
from anthropic.types import Message
from replies import BASE, run

client = anthropic.Anthropic(base_url=BASE, api_key="dummy", max_retries=0, _strict_response_validation=True)
FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tools", "refusal": "filtered"
}  # fmt: skip
ASKED = {"max_tokens": 4096, "messages": [{"role": "user", "content": "Say what you said."}]}


def said(message):
    assert message.type == "message" and message.role == "assistant" and message.stop_reason, message
    used = [block for block in message.content if block.type == "tool_use"]
    ids = [block.id for block in used]
    assert len(set(ids)) == len(ids) and all(ids), used
    if used:
        assert message.stop_reason in ("tool_use", "max_tokens", "refusal"), message.stop_reason
    text = "".join(block.text for block in message.content if block.type == "text")
    usage = message.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    thought = "".join(block.thinking for block in message.content if block.type == "thinking")
    tokens = [usage.input_tokens + cached, usage.output_tokens]
    return text, thought, [[block.name, block.input] for block in used], tokens, FINISHES[message.stop_reason]


def whole(model):
    raw = client.messages.with_raw_response.create(model=model, **ASKED)
    Message.model_validate_json(raw.read(), strict=True)
    return said(raw.parse())


def streamed(model):
    with client.messages.stream(model=model, **ASKED) as events:
        # The accumulator ignores unknown events.
        kinds = [event.type for event in events]
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
        assert kinds.count("content_block_start") == kinds.count("content_block_stop"), kinds
        return said(events.get_final_message())


def vectors(model, count):
    raise AssertionError("this dialect has no vectors")


run(whole, streamed, vectors)
