"""Every recorded 200 passes unchanged in its own dialect, and translated to the others it is accepted by that dialect's
own SDK in its strictest mode, with the same content."""

import collections
import http.client
import json
import os
import subprocess
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway import REPOSITORY, Gateway, environment
from recorded import DIALECTS, Upstream, answers

HERE = Path(__file__).resolve().parent
RUN_SECONDS = 240
# The callers' APIs: the environment of the SDK, its program, and the dialect whose providers get its bytes.
SDKS = {
    "openai": ("openai", "openai_replies", "openai"),
    "responses": ("openai", "responses_replies", None),
    "anthropic": ("anthropic", "anthropic_replies", "anthropic"),
    "gemini": ("google", "google_replies", "gemini"),
    "bedrock": ("boto3", "boto3_replies", "bedrock"),
    "cohere": ("cohere", "cohere_replies", "cohere"),
    # There are no recordings of servers that get their bytes.
    "ollama": ("ollama", "ollama_replies", None),
}
# Those of them that ask for vectors.
EMBED = ("openai", "gemini", "ollama")

PROVIDER = """
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {{name: {name}}}
spec:
  type: {type}
  endpoint: {address}{more}
  credentials:
  - {{name: main, secretRef: {{name: dummy, key: apiKey}}}}
---
"""
KEY = """
apiVersion: v1
kind: Secret
metadata: {name: dummy}
stringData: {apiKey: dummy}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: default}
spec: {}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: bytes}
spec: {extraFields: false}
"""

if not os.environ.get("OUTRIGGER_CORPUS"):
    pytest.skip("OUTRIGGER_CORPUS names no folder of recorded exchanges", allow_module_level=True)


@pytest.fixture(scope="module")
def recorded():
    return answers(os.environ["OUTRIGGER_CORPUS"])


def questions(recorded, sdk):
    """Number -> response, for those that this SDK gets translated, and for OpenAI's SDK conversations with the many
    servers of its dialect."""
    own = SDKS[sdk][2]


    def is_asked(answer):
        if answer.vectors:
            return sdk in EMBED and answer.dialect != own
        return sdk == "openai" or answer.dialect != own

    return {n: answer for n, answer in recorded.items() if is_asked(answer)}


# What the endpoint of a type has after the host, and the object besides.
ENDPOINTS = {
    "openai": "/v1", "chat": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "cohere": "",
    "bedrock": "\n  bedrock: {region: us-east-1}",
}  # fmt: skip


@pytest.fixture(scope="module")
def upstream(recorded):
    with Upstream(recorded) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    objects = tmp_path_factory.mktemp("objects")
    providers = [
        PROVIDER.format(name=name, type=type, address=upstream.address, more=ENDPOINTS[name])
        for name, type in (*DIALECTS.items(), ("chat", "Together"))
    ]
    (objects / "objects.yaml").write_text("".join(providers) + KEY)
    with Gateway(objects) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def reports(recorded, gateway):
    """SDK -> number -> the content that its program reports."""
    with ThreadPoolExecutor(len(SDKS)) as beside:
        reading = {sdk: beside.submit(report, sdk, gateway.base, questions(recorded, sdk)) for sdk in SDKS}
        return {sdk: output.result() for sdk, output in reading.items()}


def provider(sdk, answer):
    """The name of the provider. One without Responses gets conversations for their callers."""
    return "chat" if (sdk, answer.dialect) == ("responses", "openai") else answer.dialect


def report(sdk, base, requested):
    """Number -> the content that the SDK's program reports."""
    lines = [
        {
            "model": f"{provider(sdk, answer)}/{number}",
            "stream": answer.stream,
            "vectors": len(answer.said()["vectors"]) if answer.vectors else 0,
        }
        for number, answer in requested.items()
    ]
    environment_of, program, _ = SDKS[sdk]
    done = subprocess.run(
        [REPOSITORY / f".cache/venv/{environment_of}/bin/python", HERE / f"python/{program}.py", base],
        input="".join(json.dumps(line) + "\n" for line in lines),
        env=environment(), capture_output=True, text=True, timeout=RUN_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {int(line.pop("model").split("/")[1]): line for line in lines}


# Known differences: part of the recording's file name -> what the report must contain, and for how many.
OTHERWISE = {
    # With floats, as the gateway requests them, no provider would respond with these.
    "pplx-embed-v1-0_6b_": ("is not Base64 of floats", {"gemini": 2, "ollama": 2}),
    # These responses can hold audio only as a link.
    "preview-tts_can_speak": ("![audio/", {"anthropic": 1, "bedrock": 1}),
    # The rest passes unchanged, so OpenAI's SDK sees what the server made of OpenAI's dialect.
    # Mistral's models think in parts of the content, which its own clients expect there.
    "chat_mistral_hybrid_reasoning_": ("Input should be a valid string", {"openai": 4}),
    "with_extended_thinking_mistral_": ("Input should be a valid string", {"openai": 4}),
    # Mistral counts audio outside of the prompt.
    "chat_audio_models_mistral_voxtral": ("assert usage is None or usage.total_tokens", {"openai": 2}),
    # The last chunk is a `chat.completion.done`.
    "chat_streaming_responses_perplexity": ("chat.completion.done", {"openai": 1}),
    # Azure's first chunk has no object.
    "azure_gpt-5-nano_streams_thinking": ("[type=literal_error, input_value=''", {"openai": 1}),
    # The SDK parses no stream that was cut.
    "chat-streaming-detailed-usage": ("LengthFinishReasonError", {"openai": 1}),
    # The text is the transcript of the audio.
    "chat-text-to-audio": ("'text': ''", {"openai": 1}),
    # Servers that repeat the id and the role, give no finish reason, or send no arguments.
    "test_tools_streaming_variant_a": ("assert bool(call.id) == first", {"openai": 1}),
    "test_tools_streaming_variant_b": ("assert choice.finish_reason", {"openai": 1}),
    "test_tools_streaming_variant_d": ("bytes or bytearray, not NoneType", {"openai": 1}),
}


def exception(answer, found):
    """The part of the file name of a known difference."""
    reported = found.get("error", str(found))
    return next((part for part, (holds, _) in OTHERWISE.items() if part in answer.place and holds in reported), None)


@pytest.mark.parametrize("sdk", SDKS)
def test_every_response_is_accepted_with_the_same_content(sdk, recorded, reports):
    requested = questions(recorded, sdk)
    assert sorted(reports[sdk]) == sorted(requested)
    wrong, otherwise = [], collections.Counter()
    for number, answer in requested.items():
        found, content = reports[sdk][number], answer.said()
        if found == content:
            continue
        how = exception(answer, found)
        if how:
            otherwise[how] += 1
        else:
            found = found.get("error", str(found)[:1000])
            wrong.append(f"{number} {answer.place}\n  expected {str(content)[:1000]}\n  found {found}")
    assert not wrong, f"{len(wrong)} of {len(requested)}:\n" + "\n".join(wrong)
    assert otherwise == {part: counts[sdk] for part, (_, counts) in OTHERWISE.items() if sdk in counts}


def chat(recorded):
    return {n: answer for n, answer in recorded.items() if not answer.vectors and answer.request}


def request(number, answer):
    """The path and the body of the recorded request, for the model that gives its response."""
    model = f"{answer.dialect}/{number}"
    if answer.dialect == "gemini":
        verb = "streamGenerateContent?alt=sse" if answer.stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}", json.dumps(answer.request)
    if answer.dialect == "bedrock":
        verb = "converse-stream" if answer.stream else "converse"
        return f"/model/{urllib.parse.quote(model, safe='')}/{verb}", json.dumps(answer.request)
    body = answer.request | {"model": model}
    if answer.dialect == "openai" and answer.stream:
        # Otherwise the gateway asks, and takes the figures out of the answer again.
        body["stream_options"] = {"include_usage": True}
    path = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "cohere": "/v2/chat"}[answer.dialect]
    return path, json.dumps(body)


def test_the_same_dialect_gets_the_same_bytes(recorded, upstream, gateway):
    """In both directions. The only edit is the model's name."""
    wrong = []
    connection = http.client.HTTPConnection(gateway.base.removeprefix("http://"), timeout=60)
    for number, answer in chat(recorded).items():
        path, body = request(number, answer)
        headers = {"content-type": "application/json", "x-outrigger-key": "bytes", "anthropic-version": "2023-06-01"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        given = response.read()
        sent = body.replace(f'"{answer.dialect}/{number}"', f'"{number}"', 1).encode()
        if response.status != 200 or given != answer.content:
            wrong.append(f"{number} {answer.place}: {response.status} {given[:1000]}")
        elif upstream.received[number] != sent:
            received = upstream.received[number][:2000]
            wrong.append(f"{number} {answer.place}\n  sent {sent[:2000]}\n  received {received}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)


# Of each dialect, how many recorded conversations are whole and streamed, and how many requests for vectors there are.
RECORDED = {
    "openai": {"whole": 312, "stream": 71, "vectors": 30},
    "anthropic": {"whole": 71, "stream": 13},
    "gemini": {"whole": 133, "stream": 23, "vectors": 7},
    "bedrock": {"whole": 60, "stream": 13},
    "cohere": {"whole": 45, "stream": 11},
}


def test_all_kinds_are_covered(recorded, capsys):
    """Each pair has all recordings, of each kind that both dialects have."""
    kinds = {n: "vectors" if a.vectors else "stream" if a.stream else "whole" for n, a in recorded.items()}
    counted = {dialect: collections.Counter() for dialect in DIALECTS}
    for number, answer in recorded.items():
        counted[answer.dialect][kinds[number]] += 1
    assert counted == RECORDED
    assert len(chat(recorded)) == sum(of["whole"] + of["stream"] for of in RECORDED.values()), "all pass unchanged"
    with capsys.disabled():
        print(f"\n{'':10}" + "".join(f"{'to ' + sdk:>14}" for sdk in SDKS))
        for dialect, of in RECORDED.items():
            row = []
            for sdk in SDKS:
                asked = [n for n, answer in questions(recorded, sdk).items() if answer.dialect == dialect]
                pair = collections.Counter(kinds[n] for n in asked)
                own = SDKS[sdk][2] == dialect
                wanted = {k: n for k, n in of.items() if k != "vectors" or sdk in EMBED and not own}
                assert pair == ({} if own and sdk != "openai" else wanted), (dialect, sdk)
                row.append("unchanged" if own else "+".join(str(n) for n in pair.values()))
            print(f"{dialect:10}" + "".join(f"{cell:>14}" for cell in row))
