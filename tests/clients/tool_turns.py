"""What a request in each API says about tools: reads it strictly, so that a field of another API does not pass."""

import json
from typing import NamedTuple


class Turns(NamedTuple):
    declared: list  # the names of the tools
    calls: list  # (id, name, arguments) of each call
    results: list  # (id, text) of each result


def only(value, *fields):
    """The object, which must have no other fields."""
    assert set(value) <= set(fields), f"{sorted(set(value) - set(fields))} in {json.dumps(value)[:300]}"
    return value


def openai(body):
    only(body, "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options",
         "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "reasoning_effort", "response_format",
         "stop", "seed")  # fmt: skip
    turns = Turns([], [], [])
    for tool in body["tools"]:
        function = only(tool, "type", "function")["function"]
        turns.declared.append(only(function, "name", "description", "parameters", "strict")["name"])
    for message in body["messages"]:
        only(message, "role", "content", "tool_calls", "tool_call_id")
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            only(part, "type", "text")
        for call in message.get("tool_calls", []):
            function = only(only(call, "id", "type", "function")["function"], "name", "arguments")
            turns.calls.append((call["id"], function["name"], json.loads(function["arguments"])))
        if message["role"] == "tool":
            turns.results.append((message["tool_call_id"], str(content)))
    return turns


def anthropic(body):
    only(body, "model", "messages", "system", "max_tokens", "tools", "tool_choice", "stream", "temperature", "top_p",
         "top_k", "stop_sequences", "thinking", "output_config")  # fmt: skip
    turns = Turns([], [], [])
    for tool in body["tools"]:
        turns.declared.append(only(tool, "name", "description", "input_schema", "strict")["name"])
    for message in body["messages"]:
        content = only(message, "role", "content")["content"]
        for block in content if isinstance(content, list) else []:
            match block["type"]:
                case "text":
                    only(block, "type", "text")
                case "tool_use":
                    only(block, "type", "id", "name", "input")
                    turns.calls.append((block["id"], block["name"], block["input"]))
                case "tool_result":
                    only(block, "type", "tool_use_id", "content", "is_error")
                    turns.results.append((block["tool_use_id"], str(block["content"])))
                case kind:
                    raise AssertionError(f"a block of type {kind}")
    return turns


def gemini(body):
    only(body, "contents", "tools", "toolConfig", "systemInstruction", "generationConfig")
    only(body.get("generationConfig", {}), "temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "seed",
         "thinkingConfig", "responseMimeType", "responseJsonSchema")  # fmt: skip
    turns = Turns([], [], [])
    for tool in body["tools"]:
        for declared in only(tool, "functionDeclarations")["functionDeclarations"]:
            turns.declared.append(only(declared, "name", "description", "parametersJsonSchema", "parameters")["name"])
    for content in body["contents"]:
        for part in only(content, "role", "parts")["parts"]:
            only(part, "text", "functionCall", "functionResponse", "thoughtSignature")
            if call := part.get("functionCall"):
                turns.calls.append((call.get("id"), only(call, "id", "name", "args")["name"], call["args"]))
            if result := part.get("functionResponse"):
                only(result, "id", "name", "response")
                turns.results.append((result.get("id"), str(result["response"])))
    return turns


READERS = {"openai": openai, "anthropic": anthropic, "gemini": gemini}
