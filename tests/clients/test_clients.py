"""Unmodified SDKs through the gateway, each with every provider dialect.

A client program (python/*_client.py, node/*_client.mjs) is written once for its SDK and runs all its scenarios in one
process. Each scenario is a test here. Every run has its own gateway, so that effects of one client (a provider that
rests after a 429) do not reach the next.
"""

import functools
import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from bedrock import fake_bedrock
from gateway import REPOSITORY, Gateway, environment

HERE = Path(__file__).resolve().parent
RUN_SECONDS = 120

# Provider of the policy -> its model.
UPSTREAMS = {
    "openai": "gpt-4o",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "cohere": "command-a-03-2025",
    # A server of its own, since it checks signatures.
    "bedrock": "amazon.nova-pro-v1:0",
}
# Ollama's servers have OpenAI's API too, by which all other clients reach them.
MODELS = {**UPSTREAMS, "ollama": "qwen3"}

COMMON = ["chat", "stream", "tools", "tools_stream", "parallel_tools", "structured_output", "thinking"]
INVOKE = ["invoke_model", "invoke_model_stream"]
ERRORS = ["unknown_model", "denied_model", "bad_request", "rate_limited"]

RESPONSES = [
    "responses",
    "responses_stream",
    "responses_tools",
    "responses_tools_stream",
    "responses_strict",
    "responses_structured",
    "responses_error",
]

SDK = ["chat", "stream", "tools", "structured_output"]
# Clients that share one environment, to save the time of its installation.
IN_SDKS = ["groq", "instructor", "pydantic_ai", "langchain_models", "litellm", "mistral", "llama_index"]


def of_each(apis, scenarios):
    return [f"{api}_{scenario}" for api in apis for scenario in scenarios]


# Client -> the scenarios that its program must report. A missing one would otherwise go unnoticed.
CLIENTS = {
    "python/openai": [*COMMON, "stream_without_usage", "structured_output_stream", *ERRORS, "list_models", *RESPONSES],
    "python/agents": ["agent", "agent_stream", "structured_output"],
    "python/anthropic": [*COMMON, "stream_events", *ERRORS, "list_models", "count_tokens"],
    # Other classes of the same packages, which call the paths of clouds.
    "python/openai:azure": [
        *COMMON, "stream_without_usage", "structured_output_stream", *ERRORS, "list_models", *RESPONSES,
    ],  # fmt: skip
    "python/anthropic:vertex": [*COMMON, "stream_events", *ERRORS, "count_tokens"],
    "python/anthropic:bedrock": [*COMMON, "stream_events", *ERRORS],
    "python/google:vertex": [*COMMON, "structured_output_json_schema", *ERRORS, "count_tokens"],
    "python/google": [*COMMON, "structured_output_json_schema", *ERRORS, "list_models", "count_tokens"],
    "python/boto3": [*COMMON, *INVOKE, *ERRORS, "list_models"],
    "python/groq": ["chat", "stream", "tools", "structured_output", "unknown_model"],
    "python/instructor": ["openai_schema"],
    # Packages that speak several vendors' APIs, in one process.
    "python/pydantic_ai": of_each(["openai", "google"], SDK),
    "python/langchain_models": of_each(["openai", "anthropic", "google"], [*SDK, "tools_stream"]),
    "python/litellm": of_each(["openai", "anthropic"], SDK),
    "python/llama_index": of_each(["openai", "anthropic"], [*SDK, "tools_stream", "unknown_model", "bad_request"]),
    "python/mistral": [*SDK, *ERRORS],
    "python/cohere": [*COMMON, "stream_events", *ERRORS, "list_models"],
    "python/ollama": [*COMMON, "generate", *ERRORS, "list_models"],
    "node/openai": [*COMMON, "stream_without_usage", "structured_output_stream", *ERRORS, "list_models"],
    "node/anthropic": [*COMMON, *ERRORS, "list_models"],
    "node/google": [*COMMON, *ERRORS, "list_models"],
    "node/ai": [*of_each(["openai", "anthropic", "google"], [*COMMON, *ERRORS[:3]]), "rate_limited"],
    "node/bedrock": [*COMMON, *INVOKE, *ERRORS],
}

# Scenarios only for the providers that have the operation.
EMBED = ("openai", "gemini", "cohere")
OWN = {
    **{("python/openai", upstream): ["embeddings"] for upstream in EMBED},
    **{("python/openai:azure", upstream): ["embeddings"] for upstream in EMBED},
    **{("python/google", upstream): ["embeddings"] for upstream in EMBED},
    ("python/cohere", "openai"): ["embed", "rerank"],
    ("python/cohere", "cohere"): ["embed", "rerank"],
    ("python/cohere", "gemini"): ["embed"],
    **{("python/ollama", upstream): ["embed"] for upstream in (*EMBED, "ollama")},
}
# Clients of the shared environment only with mocks of the first three APIs.
RUNS = [
    (client, upstream)
    for client in CLIENTS
    for upstream in UPSTREAMS
    if upstream not in ("bedrock", "cohere") or client.removeprefix("python/") not in IN_SDKS
] + [("python/ollama", "ollama")]


def expected(client, upstream):
    return CLIENTS[client] + OWN.get((client, upstream), [])


def command(client):
    language, sdk = client.partition(":")[0].split("/")
    if language == "node":
        return [HERE / "node/node_modules/.bin/node", HERE / f"node/{sdk}_client.mjs"]
    venv = "sdks" if sdk in IN_SDKS else sdk
    return [REPOSITORY / f".cache/venv/{venv}/bin/python", HERE / f"python/{sdk}_client.py"]


def once(function):
    """functools.cache for failures too: not every test shall wait for a gateway that does not start."""
    outcomes = {}

    @functools.wraps(function)
    def outcome(*arguments):
        if arguments not in outcomes:
            try:
                outcomes[arguments] = function(*arguments), None
            except Exception as error:
                outcomes[arguments] = None, error
        answer, error = outcomes[arguments]
        if error:
            raise error
        return answer

    return outcome


def report(program, *arguments):
    """Scenario -> its error or None, from a client program that runs to its end."""
    done = subprocess.run(
        [*program, *arguments], env=environment(), capture_output=True, text=True, timeout=RUN_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"scenario"')]
    return {line["scenario"]: line["error"] for line in lines}


@contextmanager
def gateway_to(*upstreams):
    """A gateway with the objects of `policy/`. The address of Amazon Bedrock is written there first."""
    if "bedrock" not in upstreams:
        with Gateway(HERE / "policy") as gateway:
            yield gateway
        return
    with fake_bedrock() as port, tempfile.TemporaryDirectory(prefix="outrigger-policy-") as folder:
        shutil.copytree(HERE / "policy", folder, dirs_exist_ok=True)
        objects = (HERE / "bedrock.yaml").read_text()
        (Path(folder) / "bedrock.yaml").write_text(objects.replace("ADDRESS", f"127.0.0.1:{port}"))
        with Gateway(folder) as gateway:
            yield gateway


@once
def run(client, upstream):
    """A client's report on an upstream, and the decisions that it caused."""
    with gateway_to(upstream) as gateway:
        variant = [client.partition(":")[2]] if ":" in client else []
        return report(command(client), gateway.base, upstream, MODELS[upstream], *variant), gateway.decisions()


@pytest.mark.parametrize(("client", "upstream", "scenario"), [(*run, s) for run in RUNS for s in expected(*run)])
def test_client(client, upstream, scenario):
    reported, _ = run(client, upstream)
    assert scenario in reported, f"{client} did not report {scenario}: {sorted(reported)}"
    assert reported[scenario] is None, reported[scenario]


@pytest.mark.parametrize(("client", "upstream"), RUNS)
def test_every_scenario_is_expected(client, upstream):
    reported, _ = run(client, upstream)
    assert sorted(reported) == sorted(expected(client, upstream))


@pytest.mark.parametrize(("client", "upstream"), [run for run in RUNS if "rate_limited" in CLIENTS[run[0]]])
def test_retries_are_not_multiplied(client, upstream):
    """All providers are limited: the gateway tries each once and reports it, and the SDK does not retry."""
    _, decisions = run(client, upstream)
    limited = [d for d in decisions if d["model_requested"] == f"limited-{upstream}"]
    assert [d["status"] for d in limited] == [429], limited
    attempts = limited[0]["attempts"]
    assert sorted(a["provider"] for a in attempts) == [upstream, f"{upstream}-spare"], attempts
    assert [(a["status"], a["error"]) for a in attempts] == [(429, "rate_limited")] * 2, attempts


@once
def conversation(package, source, target):
    program = [REPOSITORY / ".cache/venv/langchain/bin/python", HERE / "python/langchain_client.py"]
    names = [f"{name}/{UPSTREAMS[name]}" for name in (source, target)]
    with gateway_to(source, target) as gateway:
        return report(program, gateway.base, *names, package)


@pytest.mark.parametrize("target", UPSTREAMS)
@pytest.mark.parametrize("source", UPSTREAMS)
@pytest.mark.parametrize("package", ["openai", "aws"])
@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_langchain_tool_conversation_with_changing_providers(how, package, source, target):
    reported = conversation(package, source, target)
    assert sorted(reported) == ["invoke", "stream"]
    assert reported[how] is None, reported[how]


@once
def checksums(upstream):
    program = [REPOSITORY / ".cache/venv/boto3/bin/python", HERE / "python/boto3_checksums.py"]
    with gateway_to(upstream) as gateway:
        return report(program, gateway.base, upstream, UPSTREAMS[upstream])


# From another API, and as it was told.
@pytest.mark.parametrize("stream", ["intact", "flipped"])
@pytest.mark.parametrize("upstream", ["openai", "bedrock"])
def test_boto3_checks_every_byte_of_a_stream(upstream, stream):
    reported = checksums(upstream)
    assert sorted(reported) == ["flipped", "intact"]
    assert reported[stream] is None, reported[stream]
