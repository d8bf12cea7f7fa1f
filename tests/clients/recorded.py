"""The recorded exchanges (OUTRIGGER_CORPUS), and an upstream that replays their responses.

A model's name is the number of the exchange whose response it gives.
"""

import base64
import collections
import gzip
import json
import re
import threading
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DIALECTS = {"openai": "OpenAICompatible", "anthropic": "Anthropic", "gemini": "Gemini"}  # and the provider's type
PIECE = 997  # bytes of a stream's chunk: splits events and characters


class Answer:
    """A recorded response with status 200, and its content, parsed without the gateway's code."""

    def __init__(self, number, exchange):
        self.number = number
        self.provider, self.api = exchange["provider"], exchange["api"]
        self.place = f"{self.provider} {self.api} {exchange['file']} {exchange['i']}"
        self.content_type = next(v for k, v in exchange["resp_headers"].items() if k.lower() == "content-type")
        self.stream = exchange["kind"] == "sse"
        self.body = exchange["body"]

    @property
    def dialect(self):
        """The dialect of the conversation or of the vectors; None for what no other dialect has."""
        match self.provider, self.api:
            case "cohere", _:
                return None
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
            return [json.loads(self.body)]
        lines = [line[5:].strip() for line in self.body.split("\n") if line.startswith("data:")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    def said(self):
        """{"text", "calls": [[name, arguments]], "tokens": [input, output]}, or {"vectors": the length of each}."""
        if self.vectors:
            (document,) = self.documents
            if "embeddings" in document:
                return {"vectors": [len(one["values"]) for one in document["embeddings"]]}
            return {"vectors": [length(one["embedding"]) for one in document["data"]]}
        text, calls = {"openai": openai_said, "anthropic": anthropic_said, "gemini": gemini_said}[self.dialect](self)
        calls = [[name, arguments] for name, arguments in calls]
        return {"text": text, "calls": calls, "tokens": TOKENS[self.dialect](self.usage())}

    def usage(self):
        """All figures, later ones over earlier ones; 0 if absent."""
        figures = collections.Counter()
        for document in self.documents:
            for place in (document, document.get("message") or {}):
                for usage in (place.get("usage"), place.get("usageMetadata")):
                    # Not Counter.update, which would add.
                    dict.update(figures, flat(usage or {}))
        return figures


def flat(usage):
    """Its figures, and those one level deeper."""
    deeper = [(f"{name}.{k}", v) for name, inside in usage.items() if isinstance(inside, dict) for k, v in inside.items()]
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
}  # fmt: skip


def length(vector):
    return len(vector) if isinstance(vector, list) else len(base64.b64decode(vector)) // 4


def parsed(arguments):
    return json.loads(arguments or "{}") if isinstance(arguments, str) else arguments


def openai_said(answer):
    text, calls = "", {}
    for document in answer.documents:
        for choice in (document.get("choices") or [])[:1]:
            message = choice["delta"] if answer.stream else choice["message"]
            content = message.get("content") or ""
            if isinstance(content, list):
                content = "".join(part.get("text", "") for part in content if part["type"] == "text")
            text += content + ((message.get("audio") or {}).get("transcript") or "")
            for at, call in enumerate(message.get("tool_calls") or []):
                known = calls.setdefault(call.get("index", at), ["", ""])
                known[0] = known[0] or call["function"].get("name")
                arguments = call["function"].get("arguments") or ""
                known[1] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return text, [(name, parsed(arguments)) for name, arguments in calls.values()]


def anthropic_said(answer):
    blocks = {}
    for document in answer.documents:
        if not answer.stream:
            blocks = dict(enumerate(document["content"]))
        elif document["type"] == "content_block_start":
            blocks[document["index"]] = dict(document["content_block"]) | {"json": ""}
        elif document["type"] == "content_block_delta":
            block, delta = blocks[document["index"]], document["delta"]
            block["text"] = block.get("text", "") + delta.get("text", "")
            block["json"] += delta.get("partial_json", "")
    text = "".join(block["text"] for block in blocks.values() if block["type"] == "text")
    used = [block for block in blocks.values() if block["type"] == "tool_use"]
    return text, [(b["name"], parsed(b["json"]) if b.get("json") else b["input"]) for b in used]


def gemini_said(answer):
    parts = [
        part
        for document in answer.documents
        for candidate in document.get("candidates", [])[:1]
        for part in candidate.get("content", {}).get("parts", [])
    ]
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    return text, [(p["functionCall"]["name"], p["functionCall"].get("args", {})) for p in parts if "functionCall" in p]


def answers(folder):
    """Number -> recorded 200 of a dialect."""
    with gzip.open(Path(folder) / "recorded.jsonl.gz", "rt") as lines:
        exchanges = [json.loads(line) for line in lines]
    assert len(exchanges) > 1000, "the recordings are not whole"
    good = {n: Answer(n, exchange) for n, exchange in enumerate(exchanges) if exchange["status"] == 200 and exchange.get("body")}
    return {n: answer for n, answer in good.items() if answer.dialect}


class Upstream:
    """Responds on a free port with recorded responses, until the block ends."""

    def __init__(self, recorded):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                in_path = re.search(r"/models/(\d+):", self.path)
                answer = recorded[int(in_path[1] if in_path else body["model"])]
                self.send_response(200)
                self.send_header("content-type", answer.content_type)
                content = answer.body.encode()
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
