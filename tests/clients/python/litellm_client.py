"""litellm as a client of the gateway, in OpenAI's API."""

import json
import os

# Its table of prices is in the package: it must not be fetched.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from scenario import BASE, GREETING, PINNED, WEATHER_SCHEMA, Forecast, equal, positive, run, run_tool  # noqa: E402

litellm.telemetry = False
USER = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}


def create(messages=(USER,), **more):
    return litellm.completion(
        model=f"openai/{PINNED}", api_base=f"{BASE}/v1", api_key="dummy", messages=list(messages), **more
    )


def chat():
    answer = create(temperature=0.2, max_tokens=64)
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
    schema = {"name": "forecast", "strict": True, "schema": Forecast.model_json_schema()}
    answer = create(response_format={"type": "json_schema", "json_schema": schema})
    Forecast.model_validate_json(answer.choices[0].message.content)


run(chat, stream, tools, structured_output)
