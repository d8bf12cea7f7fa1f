"""The groq package against the gateway."""

import json

import groq
from scenario import BASE, GREETING, PINNED, UNKNOWN, WEATHER_SCHEMA, Forecast, equal, positive, raises, run, run_tool

client = groq.Groq(api_key="dummy", base_url=BASE)
USER = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}


def create(messages=(USER,), model=PINNED, **more):
    return client.chat.completions.create(model=model, messages=list(messages), **more)


def chat():
    answer = create(temperature=0.2, max_completion_tokens=64)
    equal((answer.choices[0].message.content, answer.choices[0].finish_reason), (GREETING, "stop"))
    positive(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def stream():
    equal("".join(c.delta.content or "" for chunk in create(stream=True) for c in chunk.choices), GREETING)


def tools():
    first = create(tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls
    content = run_tool(call.function.name, json.loads(call.function.arguments))
    result = {"role": "tool", "tool_call_id": call.id, "content": content}
    equal(create([USER, first, result], tools=[WEATHER]).choices[0].message.content, GREETING)


def structured_output():
    schema = {"name": "forecast", "schema": Forecast.model_json_schema()}
    answer = create(response_format={"type": "json_schema", "json_schema": schema})
    Forecast.model_validate_json(answer.choices[0].message.content)


def unknown_model():
    assert UNKNOWN in str(raises(groq.NotFoundError, lambda: create(model=UNKNOWN), 404))


run(chat, stream, tools, structured_output, unknown_model)
