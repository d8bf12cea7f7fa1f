"""Coding agents, unmodified, through the gateway to a provider of another API: each runs one of its own tools.

The provider calls the agent's tool, which makes a file; once the agent has told the result, the provider greets. What
the provider received is in its own API, and in no other.
"""

import json
import os
import subprocess

import canary
import pytest
from gateway import environment
from recording import OWN_KEY, recorded_gateway
from test_clients import HERE, UPSTREAMS
from tool_turns import READERS

RUN_SECONDS = 180
PROGRAMS = HERE / "agents/node_modules/.bin"
MADE = "made-by-the-agent"
TASK = "Make the file."
CALLERS_KEY = f"{canary.WORD}-of-the-caller"


def codex(base, model, home):
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(
        # A search on OpenAI's side, which no other provider can do.
        'web_search = "disabled"\n'
        'model_provider = "outrigger"\n'
        "[model_providers.outrigger]\n"
        'name = "outrigger"\n'
        f'base_url = "{base}/v1"\n'
        'env_key = "KEY"\n'
        'wire_api = "responses"\n'
    )
    options = ["--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check"]
    return [PROGRAMS / "codex", "exec", *options, "--model", model, TASK], {"KEY": CALLERS_KEY}


def claude(base, model, home):
    program = [PROGRAMS / "claude", "--print", TASK, "--model", model, "--allowedTools", "Bash"]
    return program, {
        "ANTHROPIC_BASE_URL": base,
        "ANTHROPIC_API_KEY": CALLERS_KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def gemini(base, model, home):
    (home / ".gemini").mkdir()
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "telemetry": {"enabled": False}}
    (home / ".gemini/settings.json").write_text(json.dumps(settings))
    return [PROGRAMS / "gemini", "--prompt", TASK, "--model", model, "--yolo"], {
        "GOOGLE_GEMINI_BASE_URL": base,
        "GEMINI_API_KEY": CALLERS_KEY,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


MAKE = {"command": f"touch {MADE}", "description": "Makes a file"}
# The agent, the API of its provider, the operation that the agent asks for, and the call of its tool.
RUNS = [
    (codex, "anthropic", "responses", ("exec_command", {"cmd": f"touch {MADE}"})),
    (codex, "gemini", "responses", ("exec_command", {"cmd": f"touch {MADE}"})),
    (claude, "openai", "messages", ("Bash", MAKE)),
    (claude, "gemini", "messages", ("Bash", MAKE)),
    (gemini, "openai", "generate_content", ("run_shell_command", MAKE)),
    (gemini, "anthropic", "generate_content", ("run_shell_command", MAKE)),
]
NAMES = [f"{agent.__name__}-{upstream}" for agent, upstream, *_ in RUNS]
# How headers of one API begin. SDKs of all of them tell of themselves in `x-stainless-`.
HEADERS = {"openai": "openai-", "anthropic": "anthropic-", "gemini": "x-goog-"}
KEYS = {
    "openai": ("authorization", f"Bearer {OWN_KEY}"),
    "anthropic": ("x-api-key", OWN_KEY),
    "gemini": ("x-goog-api-key", OWN_KEY),
}


@pytest.mark.parametrize(("agent", "upstream", "operation", "call"), RUNS, ids=NAMES)
def test_agent_uses_its_tool_with_a_provider_of_another_api(agent, upstream, operation, call, tmp_path):
    home, work, objects = (tmp_path / name for name in ("home", "work", "objects"))
    for folder in (home, work, objects):
        folder.mkdir()
    model = f"{upstream}/{UPSTREAMS[upstream]}"
    with recorded_gateway(HERE / "agents/policy", objects) as (gateway, recorder):
        program, variables = agent(gateway.base, model, home)
        # The programs run on the Node.js of their own folder.
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        done = subprocess.run(
            program,
            cwd=work,
            env=environment(HOME=str(home), PATH=path, **variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        decisions = gateway.decisions()
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert f"Hello from {model}" in done.stdout, said
    assert (work / MADE).exists(), said
    asked = [(one["operation"], one["provider"], one["status"]) for one in decisions if one["operation"] == operation]
    assert asked == [(operation, upstream, 200)] * 2, decisions
    check_received(recorder.received, upstream, *call)


def check_received(received, upstream, name, arguments):
    """Both requests are wholly in the provider's API. The second one has the call and its result, by one id."""
    for request in received:
        header, own = KEYS[upstream]
        assert request.headers[header] == own, request.headers
        foreign = ("x-stainless-", *(start for api, start in HEADERS.items() if api != upstream))
        assert not [sent for sent in request.headers if sent.startswith(foreign)], request.headers
        assert CALLERS_KEY not in f"{request.path}{request.headers}{request.body}"
    first, second = (READERS[upstream](request.json) for request in received)
    assert (name in first.declared, first.calls, first.results) == (True, [], [])
    assert (name in second.declared, len(second.calls), len(second.results)) == (True, 1, 1)
    (identity, called, told), (answered, result) = second.calls[0], second.results[0]
    assert (called, told) == (name, arguments)
    # Gemini's calls have no ids if it gave none: then the order tells them apart.
    assert (identity == answered, bool(identity) or upstream == "gemini", bool(result)) == (True, True, True)
