"""LangChain: a tool conversation of three turns, in which the provider changes with every request.

Run as `langchain_client.py BASE FROM TO PACKAGE`, with FROM and TO as provider/model, and PACKAGE `openai` or `aws`.
Everything in a provider's response
(ids, signatures) is sent to the other one inside LangChain's messages.
"""

import json
import sys
import traceback

from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

BASE, FROM, TO, PACKAGE = sys.argv[1:5]


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return json.dumps({"city": city, "degrees": 18})


def model(name):
    if PACKAGE == "aws":
        keys = dict(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="dummy")
        chat = ChatBedrockConverse(
            model=name, provider="amazon", base_url=BASE, region_name="eu-central-1", **keys
        )
    else:
        chat = ChatOpenAI(model=name, base_url=f"{BASE}/v1", api_key="dummy")
    return chat.bind_tools([get_weather])


def streamed(name, messages):
    """A streamed response, merged as LangChain's own agents do it."""
    answer = None
    for chunk in model(name).stream(messages):
        answer = chunk if answer is None else answer + chunk
    return answer


def invoked(name, messages):
    return model(name).invoke(messages)


def conversation(send):
    caller, answerer = FROM, TO
    messages = []
    for number in range(1, 4):
        messages.append(HumanMessage(f"Turn {number}: what is the weather in Paris?"))
        calling = send(caller, messages)
        assert [(c["name"], c["args"]) for c in calling.tool_calls] == [("get_weather", {"city": "Paris"})], calling
        messages.append(calling)
        for call in calling.tool_calls:
            messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
        answer = send(answerer, messages)
        assert answer.text == f"Hello from {answerer}", answer
        assert not answer.tool_calls, answer
        assert answer.usage_metadata is None or answer.usage_metadata["output_tokens"] > 0, answer
        messages.append(answer)
        caller, answerer = answerer, caller


for name, send in (("invoke", invoked), ("stream", streamed)):
    error = None
    try:
        conversation(send)
    except Exception:
        error = traceback.format_exc()
    print(json.dumps({"scenario": name, "error": error}), flush=True)
