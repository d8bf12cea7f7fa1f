"""The boto3 package against the gateway: Converse, and InvokeModel with bodies of Claude."""

import json

import boto3
from botocore.config import Config
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, TIME_SCHEMA, UNKNOWN, WEATHER_SCHEMA,
    Forecast, equal, positive, run, run_tool,
)  # fmt: skip


def service(name):
    # It would ask again, whatever the answer says. The gateway has done that.
    config = Config(retries={"total_max_attempts": 1})
    keys = dict(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="dummy", aws_session_token="dummy")
    return boto3.client(name, region_name="eu-central-1", endpoint_url=BASE, config=config, **keys)


client = service("bedrock-runtime")
USER = {"role": "user", "content": [{"text": "What is the weather in Paris?"}]}


def tool(name, description, schema):
    return {"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}}


WEATHER = tool("get_weather", "The weather in a city.", WEATHER_SCHEMA)
TIME = tool("get_time", "The time in a zone.", TIME_SCHEMA)


def request(*tools, model=PINNED, messages=(USER,), **more):
    if tools:
        more["toolConfig"] = {"tools": list(tools)}
    return {"modelId": model, "messages": list(messages), **more}


def create(*tools, **more):
    return client.converse(**request(*tools, **more))


def streamed(*tools, **more):
    """A streamed answer, put together as AWS's documentation does it, in the form of a whole one."""
    blocks, answer = {}, {"usage": None, "stopReason": None}
    for event in client.converse_stream(**request(*tools, **more))["stream"]:
        [(kind, told)] = event.items()
        if kind == "contentBlockStart":
            use = told["start"]["toolUse"]
            blocks[told["contentBlockIndex"]] = {"toolUse": use | {"input": ""}}
        elif kind == "contentBlockDelta":
            block = blocks.setdefault(told["contentBlockIndex"], {})
            if "text" in told["delta"]:
                block["text"] = block.get("text", "") + told["delta"]["text"]
            elif "toolUse" in told["delta"]:
                block["toolUse"]["input"] += told["delta"]["toolUse"]["input"]
        elif kind == "messageStop":
            answer["stopReason"] = told["stopReason"]
        elif kind == "metadata":
            answer["usage"] = told["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    content = [blocks[index] for index in sorted(blocks) if blocks[index]]
    return answer | {"output": {"message": {"role": "assistant", "content": content}}}


def content(answer):
    return answer["output"]["message"]["content"]


def text(answer):
    return "".join(block["text"] for block in content(answer) if "text" in block)


def calls(answer):
    return [block["toolUse"] for block in content(answer) if "toolUse" in block]


def turn(answer):
    """What the next request sends to the model: its own turn unchanged, and the result of each call."""
    assert len({call["toolUseId"] for call in calls(answer)}) == len(calls(answer)), answer
    results = [
        {
            "toolResult": {
                "toolUseId": call["toolUseId"],
                "content": [{"json": json.loads(run_tool(call["name"], call["input"]))}],
                "status": "success",
            }
        }
        for call in calls(answer)
    ]
    return [answer["output"]["message"], {"role": "user", "content": results}]


def greets(ask):
    limits = {"maxTokens": 64, "temperature": 0.2, "stopSequences": ["END"]}
    answer = ask(system=[{"text": "Be brief."}], inferenceConfig=limits)
    equal(text(answer), GREETING)
    equal(answer["stopReason"], "end_turn")
    usage = answer["usage"]
    positive(usage["inputTokens"], usage["outputTokens"])
    equal(usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"])


def uses_tools(ask):
    first = ask(WEATHER)
    equal(first["stopReason"], "tool_use")
    equal(text(ask(WEATHER, messages=[USER, *turn(first)])), GREETING)


def chat():
    greets(create)


def stream():
    greets(streamed)


def tools():
    uses_tools(create)


def tools_stream():
    uses_tools(streamed)


def parallel_tools():
    for ask in (create, streamed):
        first = ask(WEATHER, TIME, model=PARALLEL)
        equal([call["name"] for call in calls(first)], ["get_weather", "get_time"])
        last = ask(WEATHER, TIME, model=PARALLEL, messages=[USER, *turn(first)])
        equal(text(last), f"Hello from {PARALLEL}")


def structured_output():
    schema = {"name": "forecast", "schema": json.dumps(Forecast.model_json_schema())}
    answer = create(outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}})
    Forecast.model_validate_json(text(answer))


def thinking():
    budget = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    answer = create(inferenceConfig={"maxTokens": 4096}, additionalModelRequestFields=budget)
    equal(text(answer), GREETING)


CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31", "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello"}],
}  # fmt: skip


def invoke_model():
    answer = client.invoke_model(modelId=PINNED, body=json.dumps(CLAUDE))
    message = json.loads(answer["body"].read())
    equal([block["text"] for block in message["content"]], [GREETING])
    equal(message["stop_reason"], "end_turn")


def invoke_model_stream():
    answer = client.invoke_model_with_response_stream(modelId=PINNED, body=json.dumps(CLAUDE))
    events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    equal((events[0]["type"], events[-1]["type"]), ("message_start", "message_stop"))
    said = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    equal("".join(said), GREETING)


def raises(kind, call, status):
    """The error, which must have the class that the SDK's model of the service has for it."""
    try:
        answer = call()
    except kind as error:
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        assert error.response["ResponseMetadata"]["RequestId"], "no request id"
        assert error.response["Error"]["Message"], "an error without a message"
        return str(error)
    raise AssertionError(f"no {kind.__name__}, but {answer!r}")


def unknown_model():
    for ask in (create, streamed):
        assert UNKNOWN in raises(client.exceptions.ResourceNotFoundException, lambda: ask(model=UNKNOWN), 404)


def denied_model():
    assert "denied-model" in raises(client.exceptions.AccessDeniedException, lambda: create(model=DENIED), 403)


def bad_request():
    for ask in (create, streamed):
        raises(client.exceptions.ValidationException, lambda: ask(model=REFUSED), 400)
    invoke = lambda: client.invoke_model(modelId=REFUSED, body=json.dumps(CLAUDE))  # noqa: E731
    raises(client.exceptions.ValidationException, invoke, 400)


def rate_limited():
    raises(client.exceptions.ThrottlingException, lambda: create(model=LIMITED), 429)


def list_models():
    listed = service("bedrock").list_foundation_models()["modelSummaries"]
    assert PINNED in [model["modelId"] for model in listed], listed


run(
    chat, stream, tools, tools_stream, parallel_tools, structured_output, thinking, invoke_model, invoke_model_stream,
    unknown_model, denied_model, bad_request, rate_limited, list_models, own=(None, []),
)  # fmt: skip
