"""Coding agents, unmodified, through the gateway to a provider of another API: each runs one of its own tools.

The provider calls the agent's tool, which makes a file; once the agent has told the result, the provider greets.
"""

import json
import os
import subprocess

import pytest
from gateway import Gateway, environment
from test_clients import HERE, UPSTREAMS

RUN_SECONDS = 180
PROGRAMS = HERE / "agents/node_modules/.bin"
MADE = "made-by-the-agent"
TASK = "Make the file."


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
    return [PROGRAMS / "codex", "exec", *options, "--model", model, TASK], {"KEY": "dummy"}


def claude(base, model, home):
    program = [PROGRAMS / "claude", "--print", TASK, "--model", model, "--allowedTools", "Bash"]
    return program, {
        "ANTHROPIC_BASE_URL": base,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def gemini(base, model, home):
    (home / ".gemini").mkdir()
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "telemetry": {"enabled": False}}
    (home / ".gemini/settings.json").write_text(json.dumps(settings))
    return [PROGRAMS / "gemini", "--prompt", TASK, "--model", model, "--yolo"], {
        "GOOGLE_GEMINI_BASE_URL": base,
        "GEMINI_API_KEY": "dummy",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


# The agent, the API of its provider, and the operation that the agent asks for.
RUNS = [
    (codex, "anthropic", "responses"),
    (codex, "gemini", "responses"),
    (claude, "openai", "messages"),
    (claude, "gemini", "messages"),
    (gemini, "openai", "generate_content"),
    (gemini, "anthropic", "generate_content"),
]


@pytest.mark.parametrize(("agent", "upstream", "operation"), RUNS, ids=lambda value: getattr(value, "__name__", value))
def test_agent_uses_its_tool_with_a_provider_of_another_api(agent, upstream, operation, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    provider = f"{agent.__name__}-{upstream}"
    model = f"{provider}/{UPSTREAMS[upstream]}"
    with Gateway(HERE / "agents/policy") as gateway:
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
    assert asked == [(operation, provider, 200)] * 2, decisions
