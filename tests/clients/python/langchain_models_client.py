"""LangChain's models of three vendors against the gateway."""

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from scenario import BASE, GREETING, PINNED, Forecast, equal, for_each, positive, run, run_tool

MODELS = {
    "openai": lambda: ChatOpenAI(model=PINNED, base_url=f"{BASE}/v1", api_key="dummy"),
    "anthropic": lambda: ChatAnthropic(model=PINNED, base_url=BASE, api_key="dummy", max_tokens=64),
    "google": lambda: ChatGoogleGenerativeAI(model=PINNED, base_url=BASE, google_api_key="dummy"),
}
USER = HumanMessage("What is the weather in Paris?")


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return run_tool("get_weather", {"city": city})


def merged(chunks):
    answer = None
    for chunk in chunks:
        answer = chunk if answer is None else answer + chunk
    return answer


def chat(api):
    answer = MODELS[api]().invoke([USER])
    equal(answer.text, GREETING)
    positive(answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"])


def stream(api):
    equal(merged(MODELS[api]().stream([USER])).text, GREETING)


def with_tools(ask):
    first = ask([USER])
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in first.tool_calls]
    equal(len(results), 1)
    equal(ask([USER, first, *results]).text, GREETING)


def tools(api):
    with_tools(MODELS[api]().bind_tools([get_weather]).invoke)


def tools_stream(api):
    with_tools(lambda messages: merged(MODELS[api]().bind_tools([get_weather]).stream(messages)))


def structured_output(api):
    answer = MODELS[api]().with_structured_output(Forecast, method="json_schema").invoke([USER])
    assert isinstance(answer, Forecast), answer


run(*for_each(MODELS, chat, stream, tools, tools_stream, structured_output))
