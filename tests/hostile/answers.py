"""Responses of each dialect's provider, whole and as a stream, and requests of each dialect."""

import json

TEXT = "Hello, ä 漢 \"quoted\"\n."


def events(*bodies, names=False, done=False):
    lines = [(f"event: {body['type']}\n" if names else "") + f"data: {json.dumps(body, ensure_ascii=False)}\n\n" for body in bodies]
    return "".join(lines + ["data: [DONE]\n\n"] * done).encode()


def openai(delta, reason=None, **more):
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


WHOLE = {
    "openai": json.dumps(
        {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        ensure_ascii=False,
    ).encode(),
    "anthropic": json.dumps(
        {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 2}},
        ensure_ascii=False,
    ).encode(),
    "gemini": json.dumps(
        {"candidates": [{"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}, "modelVersion": "m"},
        ensure_ascii=False,
    ).encode(),
}

STREAM = {
    "openai": events(openai({"role": "assistant", "content": ""}), openai({"content": TEXT}), openai({"content": " More."}), openai({}, "stop"), done=True),
    "anthropic": events(
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
        names=True,
    ),
    "gemini": events(
        {"candidates": [{"content": {"role": "model", "parts": [{"text": TEXT}]}, "index": 0}], "modelVersion": "m"},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": " More."}]}, "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}},
    ),
}

# The events with which a caller of each dialect sees an end, and an error.
ENDS = {"openai": b"data: [DONE]", "anthropic": b"message_stop", "gemini": b'"finishReason":'}
LOSSES = {"openai": b'"error"', "anthropic": b"event: error", "gemini": b'"error"'}


def request_of(dialect, model, stream):
    """The path and the body of a request in a caller's dialect."""
    if dialect == "openai":
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **({"stream": True} if stream else {})}
        return "/v1/chat/completions", body
    if dialect == "anthropic":
        body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}], **({"stream": True} if stream else {})}
        return "/v1/messages", body
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def request(dialect, model, stream, *headers):
    """The same as bytes for a socket."""
    path, body = request_of(dialect, model, stream)
    data = json.dumps(body).encode()
    lines = [b"POST %s HTTP/1.1" % path.encode(), b"host: localhost", b"content-type: application/json", *headers, b"content-length: %d" % len(data)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + data
