"""The openai-agents package against the gateway: an agent with a tool, over the Responses API."""

import asyncio

from agents import Agent, AsyncOpenAI, ModelSettings, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from scenario import BASE, GREETING, PINNED, Forecast, equal, positive, run, run_tool

set_tracing_disabled(True)
MODEL = OpenAIResponsesModel(model=PINNED, openai_client=AsyncOpenAI(base_url=f"{BASE}/v1", api_key="dummy"))
SETTINGS = ModelSettings(store=False, response_include=["reasoning.encrypted_content"])
QUESTION = "What is the weather in Paris?"


def weather_agent():
    called = []

    @function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        called.append(city)
        return run_tool("get_weather", {"city": city})

    return Agent(name="weather", instructions="Ask.", model=MODEL, model_settings=SETTINGS, tools=[get_weather]), called


def agent():
    asked, called = weather_agent()
    result = Runner.run_sync(asked, QUESTION)
    equal((result.final_output, called), (GREETING, ["Paris"]))
    usage = result.context_wrapper.usage
    positive(usage.input_tokens, usage.output_tokens)
    # What was said is the beginning of the next conversation.
    items = [*result.to_input_list(), {"role": "user", "content": "And tomorrow?"}]
    equal(Runner.run_sync(asked, items).final_output, GREETING)


def agent_stream():
    asked, called = weather_agent()

    async def streamed():
        result = Runner.run_streamed(asked, QUESTION)
        kinds = [event.data.type async for event in result.stream_events() if event.type == "raw_response_event"]
        return result.final_output, kinds

    answer, kinds = asyncio.run(streamed())
    equal((answer, called), (GREETING, ["Paris"]))
    equal(kinds.count("response.completed"), 2)


def structured_output():
    asked = Agent(name="forecast", model=MODEL, model_settings=SETTINGS, output_type=Forecast)
    assert isinstance(Runner.run_sync(asked, QUESTION).final_output, Forecast)


run(agent, agent_stream, structured_output)
