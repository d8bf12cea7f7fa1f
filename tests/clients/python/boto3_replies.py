"""botocore with its own model of the service: its parser, which checks the sums of event streams, and the shapes of all
answers and events, whose unknown members it would drop."""

import json
import urllib.error
import urllib.parse
import urllib.request
import warnings

import botocore.session
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from replies import BASE, run

FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "tools", "content_filtered": "filtered", "guardrail_intervened": "filtered",
}  # fmt: skip
ASKED = [{"role": "user", "content": [{"text": "Say what you said."}]}]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    client = botocore.session.Session().create_client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=BASE, aws_access_key_id="dummy",
        aws_secret_access_key="dummy", config=Config(retries={"max_attempts": 0}),
    )  # fmt: skip
SERVICE = client.meta.service_model


def raw(model, verb):
    path = f"{BASE}/model/{urllib.parse.quote(model, safe='')}/{verb}"
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(path, json.dumps({"messages": ASKED}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error}: {error.read().decode()}") from None


def checked(value, shape, place):
    """Asserts that a value has exactly the shape."""
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_document_type", False):
                return
            assert isinstance(value, dict), f"{place}: {value!r}"
            unknown, missing = value.keys() - shape.members.keys(), set(shape.required_members) - value.keys()
            assert not unknown, f"{place} has unknown members: {unknown}"
            assert not missing, f"{place} lacks {missing}"
            assert not getattr(shape, "is_tagged_union", False) or len(value) == 1, f"{place} is a union: {value}"
            for key, inside in value.items():
                checked(inside, shape.members[key], f"{place}.{key}")
        case "list":
            assert isinstance(value, list), f"{place}: {value!r}"
            for at, inside in enumerate(value):
                checked(inside, shape.member, f"{place}[{at}]")
        case "map":
            for key, inside in value.items():
                checked(inside, shape.value, f"{place}[{key}]")
        case "string" | "blob":
            assert isinstance(value, str), f"{place}: {value!r}"
            words = getattr(shape, "enum", None)
            assert not words or value in words, f"{place}: {value!r}"
            assert len(value) >= shape.metadata.get("min", 0), f"{place} is too short: {value!r}"
        case "integer" | "long":
            assert isinstance(value, int) and not isinstance(value, bool), f"{place}: {value!r}"
        case "boolean":
            assert isinstance(value, bool), f"{place}: {value!r}"
        case "float" | "double":
            assert isinstance(value, (int, float)), f"{place}: {value!r}"
        case other:
            raise AssertionError(f"{place} is of an unknown type {other}")


def said(blocks, usage, stop):
    # Cited text has blocks of its own.
    cited = lambda block: block.get("citationsContent", {}).get("content", [])
    text = "".join(block.get("text", "") + "".join(piece["text"] for piece in cited(block)) for block in blocks)
    thoughts = [block["reasoningContent"].get("reasoningText", {}) for block in blocks if "reasoningContent" in block]
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    ids = [call["toolUseId"] for call in calls]
    assert len(set(ids)) == len(ids) and all(0 < len(id) for id in ids), ids
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] + cached(usage), usage
    tokens = [usage["inputTokens"] + cached(usage), usage["outputTokens"]]
    thought = "".join(thought.get("text", "") for thought in thoughts)
    return text, thought, [[call["name"], call["input"]] for call in calls], tokens, FINISHES[stop]


def cached(usage):
    return usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)


def whole(model):
    document = json.loads(raw(model, "converse"))
    checked(document, SERVICE.operation_model("Converse").output_shape, "Converse")
    parsed = client.converse(modelId=model, messages=ASKED)
    answers = [said(a["output"]["message"]["content"], a["usage"], a["stopReason"]) for a in (document, parsed)]
    assert answers[0] == answers[1], answers
    return answers[1]


def joined(events):
    """What an application puts together."""
    blocks, ended, usage, stop = {}, set(), None, None
    kinds = [kind for event in events for kind in event]
    assert kinds[0] == "messageStart" and kinds[-2:] == ["messageStop", "metadata"], kinds
    for event in events:
        ((kind, data),) = event.items()
        at = data.get("contentBlockIndex")
        match kind:
            case "contentBlockStart":
                assert at not in blocks, event
                blocks[at] = {key: dict(start) | {"input": ""} for key, start in data["start"].items()}
            case "contentBlockDelta":
                assert at not in ended and at <= len(blocks), event
                block, delta = blocks.setdefault(at, {}), data["delta"]
                block["text"] = block.get("text", "") + delta.get("text", "")
                if "toolUse" in delta:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
                if "text" in delta.get("reasoningContent", {}):
                    thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
                    thought["text"] += delta["reasoningContent"]["text"]
            case "contentBlockStop":
                ended.add(at)
            case "messageStop":
                stop = data["stopReason"]
            case "metadata":
                usage = data["usage"]
    assert ended == blocks.keys(), kinds
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return said(list(blocks.values()), usage, stop)


def streamed(model):
    buffer, events = EventStreamBuffer(), []
    buffer.add_data(raw(model, "converse-stream"))
    for message in buffer:
        kind = message.headers[":event-type"]
        assert message.headers[":message-type"] == "event", message.headers
        events.append({kind: json.loads(message.payload)})
        shape = SERVICE.operation_model("ConverseStream").output_shape.members["stream"].members[kind]
        checked(events[-1][kind], shape, kind)
    parsed = list(client.converse_stream(modelId=model, messages=ASKED)["stream"])
    answers = [joined(events), joined(parsed)]
    assert answers[0] == answers[1], answers
    return answers[1]


def vectors(model, count):
    raise AssertionError("this dialect has no vectors")


run(whole, streamed, vectors)
