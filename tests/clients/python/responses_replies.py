"""The openai package's Responses in strict mode: every answer and every event must have its types."""

import json

import openai
import pydantic
from openai.types.responses import Response, ResponseStreamEvent
from replies import BASE, run

client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="dummy", max_retries=0, _strict_response_validation=True)
EVENT = pydantic.TypeAdapter(ResponseStreamEvent)
CUT = {"max_output_tokens": "length", "content_filter": "filtered"}
ASKED = "Say what you said."


def said(answer):
    assert answer.status in ("completed", "incomplete"), answer
    calls = [item for item in answer.output if item.type == "function_call"]
    ids = [call.call_id for call in calls]
    assert len(set(ids)) == len(ids) and all(ids), calls
    parts = [part for item in answer.output if item.type == "message" for part in item.content]
    text = "".join(part.text if part.type == "output_text" else part.refusal for part in parts)
    thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
    usage = answer.usage
    tokens = [usage.input_tokens, usage.output_tokens] if usage else [0, 0]
    assert usage is None or usage.total_tokens == sum(tokens), usage
    used = [[call.name, json.loads(call.arguments)] for call in calls]
    cut = answer.status == "incomplete"
    finish = CUT[answer.incomplete_details.reason] if cut else "tools" if calls else "stop"
    return text, "".join(thoughts), used, tokens, finish


def whole(model):
    raw = client.responses.with_raw_response.create(model=model, input=ASKED, store=False)
    Response.model_validate_json(raw.content, strict=True)
    return said(raw.parse())


def streamed(model):
    raw = client.responses.with_raw_response.create(model=model, input=ASKED, store=False, stream=True)
    lines = [line for line in raw.http_response.iter_lines() if line.startswith("data: ")]
    sent = [EVENT.validate_json(line[6:], strict=True) for line in lines]
    assert [event.sequence_number for event in sent] == list(range(len(sent))), sent
    if sent[-1].type == "response.incomplete":
        # The SDK's own accumulator fails then, also with OpenAI.
        return said(sent[-1].response)
    with client.responses.stream(model=model, input=ASKED, store=False) as events:
        for _ in events:
            pass
        return said(events.get_final_response())


def vectors(model, count):
    raise AssertionError("this dialect has no vectors")


run(whole, streamed, vectors)
