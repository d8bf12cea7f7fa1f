"""pydantic-ai against the gateway, in two APIs."""

import asyncio

from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from scenario import BASE, GREETING, PINNED, Forecast, equal, for_each, positive, run, run_tool

MODELS = {
    "openai": lambda: OpenAIChatModel(PINNED, provider=OpenAIProvider(base_url=f"{BASE}/v1", api_key="dummy")),
    "google": lambda: GoogleModel(PINNED, provider=GoogleProvider(base_url=BASE, api_key="dummy")),
}
QUESTION = "What is the weather in Paris?"


def chat(api):
    result = Agent(MODELS[api](), instructions="Be brief.").run_sync(QUESTION)
    equal(result.output, GREETING)
    usage = result.usage() if callable(result.usage) else result.usage
    positive(usage.input_tokens, usage.output_tokens)


def stream(api):
    async def streamed():
        async with Agent(MODELS[api]()).run_stream(QUESTION) as result:
            return await result.get_output()

    equal(asyncio.run(streamed()), GREETING)


def tools(api):
    agent, called = Agent(MODELS[api]()), []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        called.append(city)
        return run_tool("get_weather", {"city": city})

    equal((agent.run_sync(QUESTION).output, called), (GREETING, ["Paris"]))


def structured_output(api):
    assert isinstance(Agent(MODELS[api](), output_type=NativeOutput(Forecast)).run_sync(QUESTION).output, Forecast)


run(*for_each(MODELS, chat, stream, tools, structured_output))
