"""What the fake Amazon Bedrock answers to Converse, and how AWS's event streams are written."""

import base64
import json
import struct
import zlib

USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}
# What it calls tools of these names with. Others get an example of their schema.
CALLS = {"get_weather": {"city": "Paris"}, "get_time": {"zone": "Europe/Paris"}}


def message(headers, payload):
    def header(name, value):
        name, value = name.encode(), value.encode()
        return bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value

    head = b"".join(header(*pair) for pair in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    text = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return text + struct.pack(">I", zlib.crc32(text))


def event(name, data):
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(data).encode())


def chunk(data):
    return event("chunk", {"bytes": base64.b64encode(json.dumps(data).encode()).decode(), "p": "abc"})


def blocks(question, text):
    """The blocks of the answer: a call of each tool whose result is not there, an example of the wanted schema, or the
    text."""
    told = any("toolResult" in block for block in question["messages"][-1]["content"])
    if not told and (tools := question.get("toolConfig", {}).get("tools")):
        specs = [tool["toolSpec"] for tool in tools]
        return [
            {"toolUse": {"toolUseId": f"tooluse_{number}", "name": spec["name"], "input": arguments(spec)}}
            for number, spec in enumerate(specs)
        ]
    if wanted := question.get("outputConfig"):
        return [{"text": json.dumps(example(json.loads(wanted["textFormat"]["structure"]["jsonSchema"]["schema"])))}]
    return [{"text": text}]


def arguments(spec):
    return CALLS.get(spec["name"]) or example(spec["inputSchema"]["json"])


def example(schema):
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: example(field) for name, field in schema["properties"].items()}
    if schema["type"] == "array":
        return [example(schema["items"])]
    return 1 if schema["type"] in ("integer", "number") else "text"


def stop_reason(content):
    return "tool_use" if "toolUse" in content[0] else "end_turn"


def whole(content):
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(content),
        "usage": USAGE,
        "metrics": {"latencyMs": 7},
    }


def events(content):
    """The same, streamed. Only tools have an event for the beginning of their block."""
    yield event("messageStart", {"role": "assistant"})
    for index, block in enumerate(content):
        if use := block.get("toolUse"):
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
            deltas = [{"toolUse": {"input": part}} for part in halves(json.dumps(use["input"]))]
        else:
            deltas = [{"text": part} for part in halves(block["text"])]
        for delta in deltas:
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield event("contentBlockStop", {"contentBlockIndex": index})
    yield event("messageStop", {"stopReason": stop_reason(content)})
    yield event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 7}})


def halves(text):
    return text[: len(text) // 2], text[len(text) // 2 :]
