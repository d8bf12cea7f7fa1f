"""The google-genai package against the gateway."""

from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from scenario import (
    BASE, DENIED, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, TIME_SCHEMA, UNKNOWN, VARIANT, WEATHER_SCHEMA,
    Forecast, equal, positive, raises, run, run_tool,
)  # fmt: skip

if VARIANT == "vertex":
    client = genai.Client(
        vertexai=True,
        project="a-project",
        location="europe-west4",
        credentials=Credentials(token="dummy"),
        http_options=types.HttpOptions(base_url=BASE),
    )
else:
    client = genai.Client(api_key="dummy", http_options=types.HttpOptions(base_url=BASE))
USER = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
WEATHER = types.FunctionDeclaration(
    name="get_weather", description="The weather in a city.", parameters_json_schema=WEATHER_SCHEMA
)
TIME = types.FunctionDeclaration(
    name="get_time", description="The time in a zone.", parameters_json_schema=TIME_SCHEMA
)


def config(*tools, **more):
    return types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=list(tools))] if tools else None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        **more,
    )


def create(*tools, model=PINNED, contents=(USER,), **more):
    return client.models.generate_content(model=model, contents=list(contents), config=config(*tools, **more))


def streamed(*tools, model=PINNED, contents=(USER,), **more):
    return list(
        client.models.generate_content_stream(model=model, contents=list(contents), config=config(*tools, **more))
    )


def parts(chunks):
    """All parts of a streamed response, as a client that continues the conversation collects them."""
    return [
        part
        for chunk in chunks
        for candidate in chunk.candidates or []
        if candidate.content
        for part in candidate.content.parts or []
    ]


def text(found):
    return "".join(part.text for part in found if part.text and not part.thought)


def calls(found):
    return [part.function_call for part in found if part.function_call]


def turn(found):
    """What the next request sends to the model: its own parts unchanged, signatures included, and the result of
    each call."""
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"result": run_tool(call.name, call.args)}
            )
        )
        for call in calls(found)
    ]
    return [types.Content(role="model", parts=found), types.Content(role="user", parts=results)]


def chat():
    answer = create(system_instruction="Be brief.", temperature=0.2, max_output_tokens=64)
    equal(answer.text, GREETING)
    equal(answer.candidates[0].finish_reason, types.FinishReason.STOP)
    usage = answer.usage_metadata
    positive(usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count)


def stream():
    chunks = streamed()
    equal(text(parts(chunks)), GREETING)
    equal(chunks[-1].candidates[0].finish_reason, types.FinishReason.STOP)
    usage = chunks[-1].usage_metadata
    positive(usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count)


def tools():
    first = create(WEATHER)
    found = first.candidates[0].content.parts
    equal([call.name for call in calls(found)], ["get_weather"])
    equal(create(WEATHER, contents=[USER, *turn(found)]).text, GREETING)


def tools_stream():
    found = parts(streamed(WEATHER))
    equal([call.name for call in calls(found)], ["get_weather"])
    equal(text(parts(streamed(WEATHER, contents=[USER, *turn(found)]))), GREETING)


def parallel_tools():
    for found in (
        create(WEATHER, TIME, model=PARALLEL).candidates[0].content.parts,
        parts(streamed(WEATHER, TIME, model=PARALLEL)),
    ):
        equal([call.name for call in calls(found)], ["get_weather", "get_time"])
        last = create(WEATHER, TIME, model=PARALLEL, contents=[USER, *turn(found)])
        equal(last.text, f"Hello from {PARALLEL}")


def structured_output():
    answer = create(response_mime_type="application/json", response_schema=Forecast)
    assert isinstance(answer.parsed, Forecast), answer


def structured_output_json_schema():
    answer = create(response_mime_type="application/json", response_json_schema=Forecast.model_json_schema())
    Forecast.model_validate_json(answer.text)


def thinking():
    answer = create(thinking_config=types.ThinkingConfig(thinking_budget=1024, include_thoughts=True))
    equal(text(answer.candidates[0].content.parts), GREETING)


def unknown_model():
    error = raises(errors.ClientError, lambda: create(model=UNKNOWN), 404)
    equal(error.status, "NOT_FOUND")
    assert UNKNOWN in error.message, error


def denied_model():
    error = raises(errors.ClientError, lambda: create(model=DENIED), 403)
    equal(error.status, "PERMISSION_DENIED")
    assert "denied-model" in error.message, error


def bad_request():
    equal(raises(errors.ClientError, lambda: create(model=REFUSED), 400).status, "INVALID_ARGUMENT")
    raises(errors.ClientError, lambda: streamed(model=REFUSED), 400)


def rate_limited():
    equal(raises(errors.ClientError, lambda: create(model=LIMITED), 429).status, "RESOURCE_EXHAUSTED")


def list_models():
    assert f"models/{PINNED}" in [model.name for model in client.models.list()]


def count_tokens():
    positive(client.models.count_tokens(model=PINNED, contents=[USER]).total_tokens)


def embeddings():
    # The package takes other models of Gemini for ones that make one embedding of all contents.
    model = "gemini/text-embedding-004" if PINNED.startswith("gemini/") else PINNED
    answer = client.models.embed_content(model=model, contents=["a canoe", "an outrigger"])
    equal(len(answer.embeddings), 2)
    assert answer.embeddings[0].values != answer.embeddings[1].values, answer


listing = [] if VARIANT == "vertex" else [list_models]
own = [] if VARIANT == "vertex" else [embeddings]
run(
    chat, stream, tools, tools_stream, parallel_tools, structured_output, structured_output_json_schema, thinking,
    unknown_model, denied_model, bad_request, rate_limited, *listing, count_tokens, own=(("openai", "gemini", "cohere"), own),
)  # fmt: skip
