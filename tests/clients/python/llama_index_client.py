"""LlamaIndex's models of two vendors against the gateway."""

import json

import anthropic
import openai
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAI
from scenario import BASE, GREETING, PINNED, REFUSED, UNKNOWN, Forecast, equal, for_each, raises, run, run_tool

USER = ChatMessage(role="user", content="What is the weather in Paris?")
VENDORS = {"openai": openai, "anthropic": anthropic}


def model(api, name=PINNED):
    """These classes want a name that they know. What is sent is another one."""
    more = dict(api_key="dummy", max_retries=0, additional_kwargs={"model": name})
    if api == "openai":
        return OpenAI(model="gpt-4o", api_base=f"{BASE}/v1", **more)
    return Anthropic(model="claude-haiku-4-5", base_url=BASE, **more)


def get_weather(city: str) -> str:
    """The weather in a city."""
    return run_tool("get_weather", {"city": city})


WEATHER = FunctionTool.from_defaults(get_weather)


def chat(api):
    equal(model(api).chat([USER]).message.content, GREETING)


def stream(api):
    pieces = list(model(api).stream_chat([USER]))
    equal("".join(piece.delta or "" for piece in pieces), GREETING)
    equal(pieces[-1].message.content, GREETING)


def with_tools(api, ask):
    first = ask([USER])
    (call,) = model(api).get_tool_calls_from_response(first)
    result = WEATHER(**call.tool_kwargs).content
    answer = ChatMessage(role="tool", content=result, additional_kwargs={"tool_call_id": call.tool_id})
    equal(ask([USER, first.message, answer]).message.content, GREETING)


def tools(api):
    with_tools(api, lambda messages: model(api).chat_with_tools([WEATHER], chat_history=messages))


def tools_stream(api):
    with_tools(api, lambda messages: list(model(api).stream_chat_with_tools([WEATHER], chat_history=messages))[-1])


def structured_output(api):
    answer = model(api).as_structured_llm(Forecast).chat([USER])
    assert isinstance(answer.raw, Forecast), answer
    equal(Forecast.model_validate(json.loads(answer.message.content)), answer.raw)


def unknown_model(api):
    assert UNKNOWN in str(raises(VENDORS[api].NotFoundError, lambda: model(api, UNKNOWN).chat([USER]), 404))


def bad_request(api):
    for ask in (lambda: model(api, REFUSED).chat([USER]), lambda: list(model(api, REFUSED).stream_chat([USER]))):
        raises(VENDORS[api].BadRequestError, ask, 400)


run(*for_each(VENDORS, chat, stream, tools, tools_stream, structured_output, unknown_model, bad_request))
