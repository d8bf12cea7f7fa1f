"""The cohere package against the gateway."""

import json

import cohere
from cohere.core import ApiError
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PARALLEL, PINNED, PROVIDER, REFUSED, TIME_SCHEMA, UNKNOWN, WEATHER_SCHEMA,
    Forecast, equal, positive, raises, run, run_tool,
)  # fmt: skip

client = cohere.ClientV2(base_url=BASE, api_key="dummy")
USER = {"role": "user", "content": "What is the weather in Paris?"}


def tool(name, description, schema):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("get_weather", "The weather in a city.", WEATHER_SCHEMA)
TIME = tool("get_time", "The time in a zone.", TIME_SCHEMA)


def text(answer):
    return "".join(part.text for part in answer.message.content or [] if part.type == "text")


def create(model=PINNED, messages=(USER,), **more):
    return client.chat(model=model, messages=list(messages), **more)


def turn(message):
    """What the next request sends to the model: its own turn unchanged, and the result of each call."""
    calls = message.tool_calls
    assert len({call.id for call in calls}) == len(calls) and all(call.id for call in calls), calls
    results = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": run_tool(call.function.name, json.loads(call.function.arguments)),
        }
        for call in calls
    ]
    return [message, *results]


def streamed(model=PINNED, messages=(USER,), **more):
    """The text, the calls as the assistant's turn, and the finish reason of a stream."""
    said, calls, reason, usage = "", [], None, None
    for event in client.chat_stream(model=model, messages=list(messages), **more):
        if event.type == "content-delta":
            said += event.delta.message.content.text or ""
        elif event.type == "tool-call-start":
            calls.append(event.delta.message.tool_calls.model_dump(exclude_none=True))
        elif event.type == "tool-call-delta":
            calls[-1]["function"]["arguments"] += event.delta.message.tool_calls.function.arguments
        elif event.type == "message-end":
            reason, usage = event.delta.finish_reason, event.delta.usage
    return said, cohere.AssistantChatMessageV2(tool_calls=calls or None), reason, usage


def chat():
    answer = create(messages=[{"role": "system", "content": "Be brief."}, USER], temperature=0.2, stop_sequences=["END"])
    equal(text(answer), GREETING)
    equal((answer.message.role, answer.finish_reason), ("assistant", "COMPLETE"))
    positive(int(answer.usage.tokens.input_tokens), int(answer.usage.tokens.output_tokens))
    assert answer.id, "no id"


def stream():
    said, _, reason, usage = streamed()
    equal((said, reason), (GREETING, "COMPLETE"))
    positive(int(usage.tokens.input_tokens), int(usage.tokens.output_tokens))


def stream_events():
    """The order that the dialect promises. Clients build their state machines on it."""
    kinds = [event.type for event in client.chat_stream(model=PINNED, messages=[USER])]
    equal(kinds[:2], ["message-start", "content-start"])
    equal(kinds[-2:], ["content-end", "message-end"])
    equal(set(kinds[2:-2]), {"content-delta"})


def tools():
    first = create(tools=[WEATHER])
    equal(first.finish_reason, "TOOL_CALL")
    equal(text(create(messages=[USER, *turn(first.message)], tools=[WEATHER])), GREETING)


def tools_stream():
    _, message, reason, _ = streamed(tools=[WEATHER])
    equal(reason, "TOOL_CALL")
    equal(streamed(messages=[USER, *turn(message)], tools=[WEATHER])[0], GREETING)


def parallel_tools():
    for send in (lambda **more: create(**more).message, lambda **more: streamed(**more)[1]):
        first = send(model=PARALLEL, tools=[WEATHER, TIME])
        equal([call.function.name for call in first.tool_calls], ["get_weather", "get_time"])
        last = create(model=PARALLEL, messages=[USER, *turn(first)], tools=[WEATHER, TIME])
        equal(text(last), f"Hello from {PARALLEL}")


def structured_output():
    schema = {"type": "json_object", "json_schema": Forecast.model_json_schema()}
    Forecast.model_validate_json(text(create(response_format=schema)))


def thinking():
    equal(text(create(thinking={"type": "enabled", "token_budget": 1024}, max_tokens=4096)), GREETING)
    equal(text(create(thinking={"type": "disabled"})), GREETING)


def unknown_model():
    assert UNKNOWN in str(raises(cohere.NotFoundError, lambda: create(model=UNKNOWN), 404))


def denied_model():
    assert "denied-model" in str(raises(cohere.ForbiddenError, lambda: create(model=DENIED), 403))


def bad_request():
    raises(cohere.BadRequestError, lambda: create(model=REFUSED), 400)
    # Even if a stream is requested, an error is a status and not an event.
    raises(cohere.BadRequestError, lambda: streamed(model=REFUSED), 400)
    # What no other dialect can express. Cohere's own servers get it.
    if PROVIDER != "cohere":
        error = raises(cohere.BadRequestError, lambda: create(documents=["Paris is in France."]), 400)
        assert "documents" in error.body["message"], error.body


def rate_limited():
    # This SDK does not read the header that tells others not to try again.
    call = lambda: create(model=LIMITED, request_options={"max_retries": 0})
    error = raises(cohere.TooManyRequestsError, call, 429)
    assert isinstance(error, ApiError) and error.body["id"], error.body


def list_models():
    assert PINNED in [model.name for model in client.models.list().models]


def embed():
    answer = client.embed(
        model=PINNED, texts=["a", "b"], input_type="search_document", embedding_types=["float"], truncate="END"
    )
    equal([len(vector) for vector in answer.embeddings.float_], [8, 8])
    assert answer.embeddings.float_[0] != answer.embeddings.float_[1]


def rerank():
    answer = client.rerank(model=PINNED, query="Which one?", documents=["a", "b", "c"], top_n=2)
    equal([result.index for result in answer.results], [0, 1])
    assert answer.results[0].relevance_score > answer.results[1].relevance_score, answer.results


# Nobody else reranks, and Anthropic has no embeddings.
more = {"openai": [embed, rerank], "cohere": [embed, rerank], "gemini": [embed]}.get(PROVIDER, [])
run(
    chat, stream, stream_events, tools, tools_stream, parallel_tools, structured_output, thinking, unknown_model,
    denied_model, bad_request, rate_limited, list_models, *more,
)  # fmt: skip
