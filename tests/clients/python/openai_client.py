"""The openai package against the gateway."""

import json

import openai
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PARALLEL, PINNED, PROVIDER, REFUSED, UNKNOWN, VARIANT, Forecast, equal, positive,
    raises, run, run_tool,
)  # fmt: skip

if VARIANT == "azure":
    client = openai.AzureOpenAI(azure_endpoint=BASE, api_version="2024-10-21", api_key="dummy")
else:
    client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="dummy")
USER = {"role": "user", "content": "What is the weather in Paris?"}


class get_weather(BaseModel):
    """The weather in a city."""

    city: str


class get_time(BaseModel):
    """The time in a zone."""

    zone: str


WEATHER, TIME = openai.pydantic_function_tool(get_weather), openai.pydantic_function_tool(get_time)


def results(message):
    calls = message.tool_calls
    assert len({call.id for call in calls}) == len(calls) and all(call.id for call in calls), calls
    return [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": run_tool(call.function.name, json.loads(call.function.arguments)),
        }
        for call in calls
    ]


def chat():
    answer = client.chat.completions.create(model=PINNED, messages=[USER], temperature=0.2, max_tokens=64)
    equal(answer.choices[0].message.content, GREETING)
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.object, "chat.completion")
    positive(answer.usage.prompt_tokens, answer.usage.completion_tokens)
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
    equal(answer.model_extra["extra_fields"]["provider"], PROVIDER)


def stream():
    chunks = list(
        client.chat.completions.create(
            model=PINNED, messages=[USER], stream=True, stream_options={"include_usage": True}
        )
    )
    equal("".join(c.delta.content or "" for chunk in chunks for c in chunk.choices), GREETING)
    equal([c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason], ["stop"])
    equal(len({chunk.id for chunk in chunks}), 1)
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage]
    positive(usage.prompt_tokens, usage.completion_tokens)


def stream_without_usage():
    """The gateway requests usage for itself. The caller did not, and must not see the extra chunk."""
    chunks = list(client.chat.completions.create(model=PINNED, messages=[USER], stream=True))
    equal("".join(c.delta.content or "" for chunk in chunks for c in chunk.choices), GREETING)
    assert all(chunk.choices for chunk in chunks), chunks


def tools():
    ask = dict(model=PINNED, tools=[WEATHER])
    first = client.chat.completions.create(messages=[USER], **ask).choices[0]
    equal(first.finish_reason, "tool_calls")
    messages = [USER, first.message, *results(first.message)]
    equal(client.chat.completions.create(messages=messages, **ask).choices[0].message.content, GREETING)


def tools_stream():
    ask = dict(model=PINNED, tools=[WEATHER])
    with client.chat.completions.stream(messages=[USER], **ask) as events:
        first = events.get_final_completion().choices[0]
    equal(first.finish_reason, "tool_calls")
    equal(first.message.tool_calls[0].function.parsed_arguments, get_weather(city="Paris"))
    messages = [USER, first.message, *results(first.message)]
    with client.chat.completions.stream(messages=messages, **ask) as events:
        equal(events.get_final_completion().choices[0].message.content, GREETING)


def parallel_tools():
    ask = dict(model=PARALLEL, tools=[WEATHER, TIME], parallel_tool_calls=True)
    for streamed in (False, True):
        if streamed:
            with client.chat.completions.stream(messages=[USER], **ask) as events:
                first = events.get_final_completion().choices[0].message
        else:
            first = client.chat.completions.create(messages=[USER], **ask).choices[0].message
        equal([call.function.name for call in first.tool_calls], ["get_weather", "get_time"])
        last = client.chat.completions.create(messages=[USER, first, *results(first)], **ask)
        equal(last.choices[0].message.content, f"Hello from {PARALLEL}")


def structured_output():
    message = client.chat.completions.parse(model=PINNED, messages=[USER], response_format=Forecast).choices[0].message
    assert isinstance(message.parsed, Forecast), message
    # Fields that the helper adds to a message are sent too, and must not cause a refusal of the next turn.
    answer = client.chat.completions.create(model=PINNED, messages=[USER, message, USER])
    equal(answer.choices[0].message.content, GREETING)


def structured_output_stream():
    with client.chat.completions.stream(model=PINNED, messages=[USER], response_format=Forecast) as events:
        answer = events.get_final_completion()
    assert isinstance(answer.choices[0].message.parsed, Forecast), answer


def thinking():
    answer = client.chat.completions.create(
        model=PINNED, messages=[USER], reasoning_effort="low", max_completion_tokens=4096
    )
    equal(answer.choices[0].message.content, GREETING)


def chat_with(model):
    return lambda: client.chat.completions.create(model=model, messages=[USER])


def unknown_model():
    assert UNKNOWN in str(raises(openai.NotFoundError, chat_with(UNKNOWN), 404))


def denied_model():
    assert "denied-model" in str(raises(openai.PermissionDeniedError, chat_with(DENIED), 403))


def bad_request():
    raises(openai.BadRequestError, chat_with(REFUSED), 400)
    # Even if a stream is requested, an error is a status and not an event.
    call = lambda: client.chat.completions.create(model=REFUSED, messages=[USER], stream=True)
    raises(openai.BadRequestError, call, 400)


def rate_limited():
    error = raises(openai.RateLimitError, chat_with(LIMITED), 429)
    equal(error.response.headers.get("x-should-retry"), "false")
    assert error.request_id, "no request id"


def list_models():
    assert PINNED in [model.id for model in client.models.list()]


def responses():
    answer = client.responses.create(model=PINNED, input="What is the weather in Paris?")
    equal(answer.output_text, GREETING)
    positive(answer.usage.input_tokens, answer.usage.output_tokens)


def responses_stream():
    with client.responses.stream(model=PINNED, input="What is the weather in Paris?") as events:
        pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
        answer = events.get_final_response()
    equal("".join(pieces), GREETING)
    equal((answer.status, answer.output_text), ("completed", GREETING))


RESPONSES_TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": get_weather.model_json_schema(),
    "strict": False,
}


def outputs(items):
    calls = [item for item in items if item.type == "function_call"]
    assert calls, items
    return [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": run_tool(call.name, json.loads(call.arguments)),
        }
        for call in calls
    ]


def responses_tools():
    ask = dict(model=PINNED, tools=[RESPONSES_TOOL], store=False)
    first = client.responses.create(input=[USER], **ask)
    items = [USER, *first.output, *outputs(first.output)]
    equal(client.responses.create(input=items, **ask).output_text, GREETING)


def responses_tools_stream():
    ask = dict(model=PINNED, tools=[RESPONSES_TOOL], store=False)
    with client.responses.stream(input=[USER], **ask) as events:
        pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        first = events.get_final_response()
    equal(json.loads("".join(pieces)), {"city": "Paris"})
    items = [USER, *first.output, *outputs(first.output)]
    with client.responses.stream(input=items, **ask) as events:
        equal(events.get_final_response().output_text, GREETING)


def responses_strict():
    """Each event and the answer are exactly of their types, which the package itself does not check."""
    ask = dict(model=PINNED, input=[USER], tools=[RESPONSES_TOOL], store=False, metadata={"a": "b"})
    TypeAdapter(Response).validate_python(client.responses.create(**ask).to_dict())
    event = TypeAdapter(ResponseStreamEvent)
    numbers = [
        event.validate_python(sent.to_dict()).sequence_number for sent in client.responses.create(stream=True, **ask)
    ]
    equal(numbers, list(range(len(numbers))))


def responses_structured():
    answer = client.responses.parse(model=PINNED, input=[USER], text_format=Forecast)
    assert isinstance(answer.output_parsed, Forecast), answer
    with client.responses.stream(model=PINNED, input=[USER], text_format=Forecast) as events:
        assert isinstance(events.get_final_response().output_parsed, Forecast)


def responses_error():
    call = lambda: client.responses.create(model=REFUSED, input=[USER], stream=True)
    raises(openai.BadRequestError, call, 400)


def embeddings():
    # The package requests base64 by itself, and decodes it.
    answer = client.embeddings.create(model=PINNED, input=["a canoe", "an outrigger"])
    equal([item.index for item in answer.data], [0, 1])
    assert answer.data[0].embedding != answer.data[1].embedding, answer
    positive(answer.usage.prompt_tokens)


run(
    chat, stream, stream_without_usage, tools, tools_stream, parallel_tools, structured_output,
    structured_output_stream, thinking, unknown_model, denied_model, bad_request, rate_limited, list_models,
    responses, responses_stream, responses_tools, responses_tools_stream, responses_strict, responses_structured,
    responses_error,
    own=(("openai", "gemini", "cohere"), [embeddings]),
)  # fmt: skip
