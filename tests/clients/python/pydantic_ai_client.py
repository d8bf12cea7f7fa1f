"""pydantic-ai against the gateway, in two APIs: the variant says which one."""

import asyncio

from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from scenario import BASE, GREETING, PINNED, VARIANT, Forecast, equal, positive, run, run_tool

MODEL = {
    "openai": lambda: OpenAIChatModel(PINNED, provider=OpenAIProvider(base_url=f"{BASE}/v1", api_key="dummy")),
    "google": lambda: GoogleModel(PINNED, provider=GoogleProvider(base_url=BASE, api_key="dummy")),
}[VARIANT]
QUESTION = "What is the weather in Paris?"


def chat():
    result = Agent(MODEL(), instructions="Be brief.").run_sync(QUESTION)
    equal(result.output, GREETING)
    usage = result.usage() if callable(result.usage) else result.usage
    positive(usage.input_tokens, usage.output_tokens)


def stream():
    async def streamed():
        async with Agent(MODEL()).run_stream(QUESTION) as result:
            return await result.get_output()

    equal(asyncio.run(streamed()), GREETING)


def tools():
    agent, called = Agent(MODEL()), []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        called.append(city)
        return run_tool("get_weather", {"city": city})

    equal((agent.run_sync(QUESTION).output, called), (GREETING, ["Paris"]))


def structured_output():
    assert isinstance(Agent(MODEL(), output_type=NativeOutput(Forecast)).run_sync(QUESTION).output, Forecast)


run(chat, stream, tools, structured_output)
