"""litellm as a client of the gateway, in the APIs of two vendors."""

import json
import os

# Its table of prices is in the package: it must not be fetched.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from scenario import (  # noqa: E402
    BASE, GREETING, PINNED, WEATHER_SCHEMA, Forecast, equal, for_each, positive, run, run_tool,
)  # fmt: skip

litellm.telemetry = False
USER = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}


BASES = {"openai": f"{BASE}/v1", "anthropic": BASE}


def create(api, messages=(USER,), **more):
    return litellm.completion(
        model=f"{api}/{PINNED}", api_base=BASES[api], api_key="dummy", messages=list(messages), **more
    )


def chat(api):
    answer = create(api, temperature=0.2, max_tokens=64)
    equal((answer.choices[0].message.content, answer.choices[0].finish_reason), (GREETING, "stop"))
    positive(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def stream(api):
    equal("".join(c.delta.content or "" for chunk in create(api, stream=True) for c in chunk.choices), GREETING)


def tools(api):
    first = create(api, tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls
    content = run_tool(call.function.name, json.loads(call.function.arguments))
    result = {"role": "tool", "tool_call_id": call.id, "content": content}
    equal(create(api, [USER, first, result], tools=[WEATHER]).choices[0].message.content, GREETING)


def structured_output(api):
    # In Anthropic's API and of a model that it does not know as Claude, it demands a call of a tool of its own.
    schema = {"name": "forecast", "strict": True, "schema": Forecast.model_json_schema()}
    answer = create(api, response_format={"type": "json_schema", "json_schema": schema})
    Forecast.model_validate_json(answer.choices[0].message.content)


run(*for_each(BASES, chat, stream, tools, structured_output))
