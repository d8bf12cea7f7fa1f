"""The mistralai package against the gateway.

No tools are streamed: it reads calls only whole, in one event, as Mistral's own servers tell them. In OpenAI's API they
come in pieces, of which only the first has the name, and this package wants the name in each.
"""

import json

from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PINNED, REFUSED, UNKNOWN, WEATHER_SCHEMA, Forecast, equal, positive, raises, run,
    run_tool,
)  # fmt: skip

client = Mistral(api_key="dummy", server_url=BASE)
USER = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}


def create(messages=(USER,), model=PINNED, **more):
    return client.chat.complete(model=model, messages=list(messages), **more)


def streamed(messages=(USER,), model=PINNED):
    """The text of a stream. Its usage is not told: Mistral tells it unasked, and OpenAI's API only to those who ask."""
    events = client.chat.stream(model=model, messages=list(messages))
    return "".join(choice.delta.content or "" for event in events for choice in event.data.choices)


def result(call):
    """What the next request says of a call."""
    arguments = call.function.arguments
    arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"role": "tool", "tool_call_id": call.id, "content": run_tool(call.function.name, arguments)}


def chat():
    answer = create(temperature=0.2, max_tokens=64)
    equal((answer.choices[0].message.content, answer.choices[0].finish_reason), (GREETING, "stop"))
    positive(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def stream():
    equal(streamed(), GREETING)


def tools():
    # The package's own message goes back, with all the fields that it adds.
    first = create(tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls
    equal(create([USER, first, result(call)], tools=[WEATHER]).choices[0].message.content, GREETING)


def structured_output():
    answer = client.chat.parse(Forecast, model=PINNED, messages=[USER])
    assert isinstance(answer.choices[0].message.parsed, Forecast), answer


def unknown_model():
    assert UNKNOWN in str(raises(SDKError, lambda: create(model=UNKNOWN), 404))


def denied_model():
    assert "denied-model" in str(raises(SDKError, lambda: create(model=DENIED), 403))


def bad_request():
    for ask in (create, streamed):
        raises(SDKError, lambda: ask(model=REFUSED), 400)


def rate_limited():
    equal(raises(SDKError, lambda: create(model=LIMITED), 429).headers["x-should-retry"], "false")


run(chat, stream, tools, structured_output, unknown_model, denied_model, bad_request, rate_limited)
