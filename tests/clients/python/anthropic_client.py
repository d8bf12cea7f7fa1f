"""The anthropic package against the gateway."""

import anthropic
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, TIME_SCHEMA, UNKNOWN, VARIANT, WEATHER_SCHEMA,
    Forecast, equal, positive, raises, run, run_tool,
)  # fmt: skip

if VARIANT == "vertex":
    # This class takes a base with the version.
    client = anthropic.AnthropicVertex(
        base_url=f"{BASE}/v1", project_id="a-project", region="europe-west4", access_token="dummy"
    )
elif VARIANT == "bedrock":
    client = anthropic.AnthropicBedrock(
        base_url=BASE, aws_region="eu-central-1", aws_access_key="AKIDEXAMPLE", aws_secret_key="dummy"
    )
else:
    client = anthropic.Anthropic(base_url=BASE, api_key="dummy")
USER = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {"name": "get_weather", "description": "The weather in a city.", "input_schema": WEATHER_SCHEMA}
TIME = {"name": "get_time", "description": "The time in a zone.", "input_schema": TIME_SCHEMA}


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def calls(message):
    return [block for block in message.content if block.type == "tool_use"]


def turn(message):
    """What the next request sends to the model: its own turn unchanged, and the result of each call."""
    assert len({call.id for call in calls(message)}) == len(calls(message)), message
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": run_tool(call.name, call.input)}
        for call in calls(message)
    ]
    return [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]


def create(model=PINNED, messages=(USER,), **more):
    return client.messages.create(model=model, max_tokens=1024, messages=list(messages), **more)


def streamed(model=PINNED, messages=(USER,), **more):
    with client.messages.stream(model=model, max_tokens=1024, messages=list(messages), **more) as events:
        return events.get_final_message()


def chat():
    answer = create(system="Be brief.", stop_sequences=["END"])
    equal(text(answer), GREETING)
    equal(answer.stop_reason, "end_turn")
    equal((answer.type, answer.role), ("message", "assistant"))
    positive(answer.usage.input_tokens, answer.usage.output_tokens)


def stream():
    with client.messages.stream(model=PINNED, max_tokens=64, messages=[USER]) as events:
        pieces = list(events.text_stream)
        answer = events.get_final_message()
    equal("".join(pieces), GREETING)
    equal(answer.stop_reason, "end_turn")
    positive(answer.usage.input_tokens, answer.usage.output_tokens)


def stream_events():
    """The order that the dialect promises. Clients build their state machines on it."""
    kinds = [event.type for event in create(stream=True)]
    kinds = [kind for kind in kinds if kind != "ping"]
    equal((kinds[0], kinds[1]), ("message_start", "content_block_start"))
    equal(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])
    equal(set(kinds[2:-3]), {"content_block_delta"})


def tools():
    first = create(tools=[WEATHER])
    equal(first.stop_reason, "tool_use")
    equal(text(create(messages=[USER, *turn(first)], tools=[WEATHER])), GREETING)


def tools_stream():
    first = streamed(tools=[WEATHER])
    equal(first.stop_reason, "tool_use")
    equal(text(streamed(messages=[USER, *turn(first)], tools=[WEATHER])), GREETING)


def parallel_tools():
    for send in (create, streamed):
        first = send(model=PARALLEL, tools=[WEATHER, TIME])
        equal([call.name for call in calls(first)], ["get_weather", "get_time"])
        last = send(model=PARALLEL, messages=[USER, *turn(first)], tools=[WEATHER, TIME])
        equal(text(last), f"Hello from {PARALLEL}")


def structured_output():
    answer = client.messages.parse(model=PINNED, max_tokens=1024, messages=[USER], output_format=Forecast)
    assert isinstance(answer.parsed_output, Forecast), answer
    # Fields that the helper adds to a block are sent too, and must not cause a refusal of the next turn.
    equal(text(create(messages=[USER, {"role": "assistant", "content": answer.content}, USER])), GREETING)


def thinking():
    # The older and the newer parameters.
    request = dict(model=PINNED, max_tokens=4096, messages=[USER])
    equal(text(client.messages.create(thinking={"type": "enabled", "budget_tokens": 1024}, **request)), GREETING)
    adaptive = client.messages.create(thinking={"type": "adaptive"}, output_config={"effort": "low"}, **request)
    equal(text(adaptive), GREETING)


def unknown_model():
    assert UNKNOWN in str(raises(anthropic.NotFoundError, lambda: create(model=UNKNOWN), 404))


def denied_model():
    assert "denied-model" in str(raises(anthropic.PermissionDeniedError, lambda: create(model=DENIED), 403))


def bad_request():
    raises(anthropic.BadRequestError, lambda: create(model=REFUSED), 400)
    raises(anthropic.BadRequestError, lambda: create(model=REFUSED, stream=True), 400)


def rate_limited():
    error = raises(anthropic.RateLimitError, lambda: create(model=LIMITED), 429)
    equal(error.response.headers.get("x-should-retry"), "false")
    if VARIANT == "bedrock":
        equal(error.body["__type"], "ThrottlingException")
        assert error.response.headers["x-amzn-requestid"], "no request id"
    else:
        equal(error.body["type"], "error")
        assert error.request_id, "no request id"


def list_models():
    assert PINNED in [model.id for model in client.models.list()]


def count_tokens():
    positive(client.messages.count_tokens(model=PINNED, messages=[USER]).input_tokens)


listing = [] if VARIANT else [list_models]
# The package refuses to count tokens with this class.
counting = [] if VARIANT == "bedrock" else [count_tokens]
run(
    chat, stream, stream_events, tools, tools_stream, parallel_tools, structured_output, thinking, unknown_model,
    denied_model, bad_request, rate_limited, *listing, *counting,
)  # fmt: skip
