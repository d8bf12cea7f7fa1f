"""LangChain: a tool conversation of three turns whose provider changes at every request.

Run as `langchain_client.py BASE FROM TO`, with FROM and TO as provider/model. Whatever a provider put into its answer
(ids, signatures) comes back to the other one inside the messages that LangChain keeps.
"""

import json
import sys
import traceback

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

BASE, FROM, TO = sys.argv[1:4]


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return json.dumps({"city": city, "degrees": 18})


def model(name):
    return ChatOpenAI(model=name, base_url=f"{BASE}/v1", api_key="dummy").bind_tools([get_weather])


def streamed(name, messages):
    """A streamed answer, summed up as LangChain's own agents do."""
    answer = None
    for chunk in model(name).stream(messages):
        answer = chunk if answer is None else answer + chunk
    return answer


def invoked(name, messages):
    return model(name).invoke(messages)


def conversation(ask):
    caller, answerer = FROM, TO
    messages = []
    for number in range(1, 4):
        messages.append(HumanMessage(f"Turn {number}: what is the weather in Paris?"))
        calling = ask(caller, messages)
        assert [(c["name"], c["args"]) for c in calling.tool_calls] == [("get_weather", {"city": "Paris"})], calling
        messages.append(calling)
        for call in calling.tool_calls:
            messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
        answer = ask(answerer, messages)
        assert answer.text == f"Hello from {answerer}", answer
        assert not answer.tool_calls, answer
        assert answer.usage_metadata is None or answer.usage_metadata["output_tokens"] > 0, answer
        messages.append(answer)
        caller, answerer = answerer, caller


for name, ask in (("invoke", invoked), ("stream", streamed)):
    error = None
    try:
        conversation(ask)
    except Exception:
        error = traceback.format_exc()
    print(json.dumps({"scenario": name, "error": error}), flush=True)
