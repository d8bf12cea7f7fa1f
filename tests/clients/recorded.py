"""The recorded exchanges (OUTRIGGER_CORPUS), and an upstream that replays their responses.

A model's name is the number of the exchange whose response it gives.
"""

import base64
import collections
import gzip
import json
import re
import struct
import threading
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# And the provider's type.
DIALECTS = {
    "openai": "OpenAICompatible", "anthropic": "Anthropic", "gemini": "Gemini", "bedrock": "Bedrock", "cohere": "Cohere"
}  # fmt: skip
PIECE = 997  # bytes of a stream's chunk: splits events and characters


class Answer:
    """A recorded response with status 200, and its content, parsed without the gateway's code."""

    def __init__(self, number, exchange):
        self.number = number
        self.provider, self.api = exchange["provider"], exchange["api"]
        self.place = f"{self.provider} {self.api} {exchange['file']} {exchange['i']}"
        self.content_type = next(v for k, v in exchange["resp_headers"].items() if k.lower() == "content-type")
        self.stream = exchange["kind"] in ("sse", "eventstream")
        encoded = exchange.get("body_b64")
        self.content = base64.b64decode(encoded) if encoded else exchange["body"].encode()
        self.request = exchange.get("req")

    @property
    def dialect(self):
        """The dialect of the conversation or of the vectors; None for what no other dialect has."""
        match self.provider, self.api:
            case "cohere", "chat":
                return "cohere"
            case "cohere", _:
                return None
            case "bedrock", "converse" | "converse-stream":
                return "bedrock"
            case _, "chat" | "embeddings":
                return "openai"
            case "anthropic", "messages":
                return "anthropic"
            case "gemini" | "vertex", "generateContent" | "streamGenerateContent" | "batchEmbedContents":
                return "gemini"
        return None

    @property
    def vectors(self):
        return self.api in ("embeddings", "batchEmbedContents")

    @cached_property
    def documents(self):
        """The response, or a stream's events."""
        if not self.stream:
            return [json.loads(self.content)]
        if self.dialect == "bedrock":
            return [{kind: json.loads(data)} for kind, data in frames(self.content)]
        lines = [line[5:].strip() for line in self.content.decode().split("\n") if line.startswith("data:")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    def said(self):
        """{"text", "thought", "calls": [[name, arguments]], "tokens": [input, output], "finish"}, or {"vectors": the
        length of each}."""
        if self.vectors:
            (document,) = self.documents
            if "embeddings" in document:
                return {"vectors": [len(one["values"]) for one in document["embeddings"]]}
            return {"vectors": [length(one["embedding"]) for one in document["data"]]}
        text, thought, calls = SAID[self.dialect](self)
        calls = [[name, arguments] for name, arguments in calls]
        finish = FINISHES.get(self.finish(), "stop")
        return {
            "text": text,
            "thought": thought,
            "calls": calls,
            "tokens": TOKENS[self.dialect](self.usage()),
            # Some servers report calls as a plain stop.
            "finish": "tools" if calls and finish == "stop" else finish,
        }

    def finish(self):
        """The last reason that the provider gave, in its own word."""
        reason = None
        for document in self.documents:
            choices, candidates = (document.get(key) or [{}] for key in ("choices", "candidates"))
            delta = document.get("delta") or {}
            stop = document.get("messageStop") or {}
            for place in (choices[0], candidates[0], document, delta, stop):
                for key in ("finish_reason", "finishReason", "stop_reason", "stopReason"):
                    reason = place.get(key) or reason
        return reason

    def usage(self):
        """All figures, later ones over earlier ones; 0 if absent."""
        figures = collections.Counter()
        for document in self.documents:
            for place in (document, *(document.get(key) or {} for key in ("message", "metadata", "delta"))):
                for usage in (place.get("usage"), place.get("usageMetadata")):
                    # Not Counter.update, which would add.
                    dict.update(figures, flat(usage or {}))
        return figures


# What providers' words mean; all others are a plain stop, as Together's `eos`.
FINISHES = {
    "length": "length", "max_tokens": "length", "model_context_window_exceeded": "length", "MAX_TOKENS": "length",
    "tool_calls": "tools", "tool_use": "tools", "TOOL_CALL": "tools",
    "content_filter": "filtered", "refusal": "filtered", "SAFETY": "filtered", "content_filtered": "filtered",
}  # fmt: skip


def flat(usage):
    """Its figures, and those one level deeper."""
    inner = [(name, inside) for name, inside in usage.items() if isinstance(inside, dict)]
    deeper = [(f"{name}.{k}", v) for name, inside in inner for k, v in inside.items()]
    return {name: figure for name, figure in [*usage.items(), *deeper] if isinstance(figure, int)}


def openai_tokens(u):
    given, heard, made = u["prompt_tokens"], u["prompt_tokens_details.audio_tokens"], u["completion_tokens"]
    # Mistral counts audio outside the prompt. The total shows which one applies.
    return [given + heard if given + heard + made == u["total_tokens"] else given, made]


# All input, cached or not, and all output, including thoughts.
TOKENS = {
    "openai": openai_tokens,
    "anthropic": lambda u: [
        u["input_tokens"] + u["cache_read_input_tokens"] + u["cache_creation_input_tokens"], u["output_tokens"]
    ],
    "gemini": lambda u: [
        u["promptTokenCount"] + u["toolUsePromptTokenCount"], u["candidatesTokenCount"] + u["thoughtsTokenCount"]
    ],
    "bedrock": lambda u: [
        u["inputTokens"] + u["cacheReadInputTokens"] + u["cacheWriteInputTokens"], u["outputTokens"]
    ],
    # Not `tokens`, which count what Cohere adds to prompts and does not bill.
    "cohere": lambda u: [u["billed_units.input_tokens"], u["billed_units.output_tokens"]],
}  # fmt: skip


def length(vector):
    return len(vector) if isinstance(vector, list) else len(base64.b64decode(vector)) // 4


def parsed(arguments):
    return json.loads(arguments or "{}") if isinstance(arguments, str) else arguments


def openai_said(answer):
    text, thought, calls = "", "", {}
    for document in answer.documents:
        for choice in (document.get("choices") or [])[:1]:
            message = choice["delta"] if answer.stream else choice["message"]
            content = message.get("content") or ""
            thought += message.get("reasoning_content") or message.get("reasoning") or ""
            if isinstance(content, list):
                thoughts = [part["thinking"] for part in content if part["type"] == "thinking"]
                thought += "".join(piece["text"] for pieces in thoughts for piece in pieces)
                content = "".join(part.get("text", "") for part in content if part["type"] == "text")
            text += content + ((message.get("audio") or {}).get("transcript") or "")
            for at, call in enumerate(message.get("tool_calls") or []):
                known = calls.setdefault(call.get("index", at), ["", ""])
                known[0] = known[0] or call["function"].get("name")
                arguments = call["function"].get("arguments") or ""
                known[1] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return text, thought, [(name, parsed(arguments)) for name, arguments in calls.values()]


def anthropic_said(answer):
    blocks = {}
    for document in answer.documents:
        if not answer.stream:
            blocks = dict(enumerate(document["content"]))
        elif document["type"] == "content_block_start":
            blocks[document["index"]] = dict(document["content_block"]) | {"json": ""}
        elif document["type"] == "content_block_delta":
            block, delta = blocks[document["index"]], document["delta"]
            for key in ("text", "thinking"):
                block[key] = block.get(key, "") + delta.get(key, "")
            block["json"] += delta.get("partial_json", "")
    text = "".join(block["text"] for block in blocks.values() if block["type"] == "text")
    used = [block for block in blocks.values() if block["type"] == "tool_use"]
    thought = "".join(block["thinking"] for block in blocks.values() if block["type"] == "thinking")
    return text, thought, [(b["name"], parsed(b["json"]) if b.get("json") else b["input"]) for b in used]


def gemini_said(answer):
    parts = [
        part
        for document in answer.documents
        for candidate in document.get("candidates", [])[:1]
        for part in candidate.get("content", {}).get("parts", [])
    ]
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    thought = "".join(part.get("text", "") for part in parts if part.get("thought"))
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return text, thought, [(call["name"], call.get("args", {})) for call in calls]


def frames(stream):
    """The name and the payload of each message of an event stream of AWS."""
    at = 0
    while at < len(stream):
        total, length = struct.unpack_from(">II", stream, at)
        headers, here = {}, at + 12
        while here < at + 12 + length:
            name_end = here + 1 + stream[here]
            (size,) = struct.unpack_from(">H", stream, name_end + 1)
            assert stream[name_end] == 7, "a header that is no text"
            headers[stream[here + 1 : name_end]] = stream[name_end + 3 : name_end + 3 + size].decode()
            here = name_end + 3 + size
        yield headers[b":event-type"], stream[here : at + total - 4]
        at += total


def bedrock_said(answer):
    blocks = {}
    for document in answer.documents:
        if not answer.stream:
            blocks = dict(enumerate(document["output"]["message"]["content"]))
        start, delta = document.get("contentBlockStart"), document.get("contentBlockDelta")
        if start:
            blocks[start["contentBlockIndex"]] = {kind: dict(one) for kind, one in start["start"].items()}
        if delta:
            block, delta = blocks.setdefault(delta["contentBlockIndex"], {}), delta["delta"]
            block["text"] = block.get("text", "") + delta.get("text", "")
            thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
            thought["text"] += delta.get("reasoningContent", {}).get("text", "")
            if "toolUse" in delta:
                block["toolUse"]["json"] = block["toolUse"].get("json", "") + delta["toolUse"]["input"]
    text, thought, calls = "", "", []
    for block in blocks.values():
        text += block.get("text", "")
        text += "".join(piece["text"] for piece in block.get("citationsContent", {}).get("content", []))
        thought += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        used = block.get("toolUse")
        if used and used.get("type") != "server_tool_use":
            calls.append((used["name"], parsed(used["json"]) if "json" in used else used.get("input", {})))
    return text, thought, calls


def cohere_said(answer):
    parts, plan, calls = {}, "", {}
    for document in answer.documents:
        message = document["message"] if not answer.stream else document.get("delta", {}).get("message") or {}
        content = message.get("content") or []
        for at, part in enumerate(content) if isinstance(content, list) else [(document["index"], content)]:
            known = parts.setdefault(at, {"text": "", "thinking": ""})
            for key in ("text", "thinking"):
                known[key] += part.get(key) or ""
        plan += message.get("tool_plan") or ""
        used = message.get("tool_calls") or []
        for at, call in enumerate(used) if isinstance(used, list) else [(document["index"], used)]:
            known = calls.setdefault(at, ["", ""])
            known[0] += call["function"].get("name") or ""
            known[1] += call["function"].get("arguments") or ""
    text, thought = ("".join(part[key] for part in parts.values()) for key in ("text", "thinking"))
    return plan + text, thought, [(name, parsed(arguments)) for name, arguments in calls.values()]


SAID = {
    "openai": openai_said, "anthropic": anthropic_said, "gemini": gemini_said, "bedrock": bedrock_said,
    "cohere": cohere_said,
}  # fmt: skip


def answers(folder):
    """Number -> recorded 200 of a dialect."""
    with gzip.open(Path(folder) / "recorded.jsonl.gz", "rt") as lines:
        exchanges = [json.loads(line) for line in lines]
    assert len(exchanges) > 1000, "the recordings are not whole"
    good = {
        n: Answer(n, exchange)
        for n, exchange in enumerate(exchanges)
        if exchange["status"] == 200 and (exchange.get("body") or exchange.get("body_b64"))
    }
    return {n: answer for n, answer in good.items() if answer.dialect}


class Upstream:
    """Responds on a free port with recorded responses, until the block ends. `received`: the last request for each."""

    def __init__(self, recorded):
        received = self.received = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                in_path = re.search(r"/models?/(\d+)[:/]", self.path)
                number = int(in_path[1] if in_path else json.loads(body)["model"])
                received[number] = body
                answer = recorded[number]
                self.send_response(200)
                self.send_header("content-type", answer.content_type)
                content = answer.content
                if not answer.stream:
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                    return
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for at in range(0, len(content), PIECE):
                    piece = content[at : at + PIECE]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
