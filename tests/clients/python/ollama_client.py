"""The ollama package against the gateway."""

import ollama
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PARALLEL, PINNED, PROVIDER, REFUSED, TIME_SCHEMA, UNKNOWN, WEATHER_SCHEMA,
    Forecast, equal, positive, raises, run, run_tool,
)  # fmt: skip

client = ollama.Client(host=BASE)
USER = {"role": "user", "content": "What is the weather in Paris?"}


def tool(name, description, schema):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("get_weather", "The weather in a city.", WEATHER_SCHEMA)
TIME = tool("get_time", "The time in a zone.", TIME_SCHEMA)


def create(model=PINNED, messages=(USER,), **more):
    return client.chat(model=model, messages=list(messages), **more)


def turn(message):
    """What the next request sends to the model: its own turn unchanged, and the result of each call."""
    results = [
        {"role": "tool", "tool_name": call.function.name, "content": run_tool(call.function.name, call.function.arguments)}
        for call in message.tool_calls
    ]
    return [message, *results]


def streamed(model=PINNED, messages=(USER,), **more):
    """The assistant's turn and the last line of a stream."""
    said, calls, last = "", [], None
    for last in client.chat(model=model, messages=list(messages), stream=True, **more):
        said += last.message.content or ""
        calls += last.message.tool_calls or []
    return ollama.Message(role="assistant", content=said, tool_calls=calls or None), last


def chat():
    options = {"temperature": 0.2, "stop": ["END"], "num_ctx": 4096}
    answer = create(messages=[{"role": "system", "content": "Be brief."}, USER], options=options, keep_alive="5m")
    equal((answer.message.role, answer.message.content), ("assistant", GREETING))
    equal((answer.done, answer.done_reason), (True, "stop"))
    positive(answer.prompt_eval_count, answer.eval_count)
    assert answer.created_at, "no time"


def stream():
    message, last = streamed()
    equal((message.content, last.done, last.done_reason), (GREETING, True, "stop"))
    positive(last.prompt_eval_count, last.eval_count)


def generate():
    answer = client.generate(model=PINNED, prompt="Hi", system="Be brief.", options={"num_predict": 100})
    equal((answer.response, answer.done_reason), (GREETING, "stop"))
    lines = list(client.generate(model=PINNED, prompt="Hi", stream=True))
    equal("".join(line.response for line in lines), GREETING)
    equal([line.done for line in lines], [False] * (len(lines) - 1) + [True])


def tools():
    first = create(tools=[WEATHER])
    equal(create(messages=[USER, *turn(first.message)], tools=[WEATHER]).message.content, GREETING)


def tools_stream():
    message, _ = streamed(tools=[WEATHER])
    equal(streamed(messages=[USER, *turn(message)], tools=[WEATHER])[0].content, GREETING)


def parallel_tools():
    for send in (lambda **more: create(**more).message, lambda **more: streamed(**more)[0]):
        first = send(model=PARALLEL, tools=[WEATHER, TIME])
        equal([call.function.name for call in first.tool_calls], ["get_weather", "get_time"])
        last = create(model=PARALLEL, messages=[USER, *turn(first)], tools=[WEATHER, TIME])
        equal(last.message.content, f"Hello from {PARALLEL}")


def structured_output():
    Forecast.model_validate_json(create(format=Forecast.model_json_schema()).message.content)


def thinking():
    for think in (True, False, "low"):
        equal(create(think=think).message.content, GREETING)


def unknown_model():
    assert UNKNOWN in str(raises(ollama.ResponseError, lambda: create(model=UNKNOWN), 404))


def denied_model():
    assert "denied-model" in str(raises(ollama.ResponseError, lambda: create(model=DENIED), 403))


def bad_request():
    raises(ollama.ResponseError, lambda: create(model=REFUSED), 400)
    # Even if a stream is requested, an error is a status and not a line.
    raises(ollama.ResponseError, lambda: streamed(model=REFUSED), 400)
    # What no other dialect can express. Ollama's own servers get it.
    if PROVIDER != "ollama":
        error = raises(ollama.ResponseError, lambda: create(options={"repeat_penalty": 1.2}), 400)
        assert "options.repeat_penalty" in error.error, error.error
    # The models of a server are not the caller's to manage.
    raises(ollama.ResponseError, lambda: client.pull(PINNED), 404)


def rate_limited():
    raises(ollama.ResponseError, lambda: create(model=LIMITED), 429)


def list_models():
    assert PINNED in [model.model for model in client.list().models]
    assert PINNED in [model.model for model in client.ps().models]
    capabilities = client.show(PINNED).capabilities
    equal([known for known in capabilities if known != "vision"], ["completion", "tools"])


def embed():
    answer = client.embed(model=PINNED, input=["a", "b"])
    equal([len(vector) for vector in answer.embeddings], [8, 8])
    assert answer.embeddings[0] != answer.embeddings[1]
    equal(len(client.embeddings(model=PINNED, prompt="a").embedding), 8)


# Anthropic and Converse have no embeddings.
more = [embed] if PROVIDER in ("openai", "gemini", "cohere", "ollama") else []
run(
    chat, stream, generate, tools, tools_stream, parallel_tools, structured_output, thinking, unknown_model,
    denied_model, bad_request, rate_limited, list_models, *more,
)  # fmt: skip
