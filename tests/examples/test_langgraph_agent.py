"""examples/langgraph-agent, end to end: three roles, three dialects, one address."""

import subprocess

from gateway import REPOSITORY, Gateway, binary, environment, free_port

EXAMPLE = REPOSITORY / "examples" / "langgraph-agent"
AGENT = [REPOSITORY / ".cache/venv/langchain/bin/python", EXAMPLE / "agent.py"]
SECONDS = 60


def check_output(output):
    assert "1. Look up what a canoe costs a day." in output
    assert "tool lookup: A canoe is 40 dollars a day." in output
    assert "tool calculator: 240" in output
    # Other lines may be in between: `outrigger run` writes its decisions to the same output.
    assert "Three canoes for two days cost 240 dollars." in output.splitlines()


def test_each_role_is_served_by_its_own_provider():
    with Gateway(EXAMPLE / "objects") as gateway:
        env = environment(OPENAI_BASE_URL=f"{gateway.base}/v1")
        done = subprocess.run(AGENT, env=env, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        check_output(done.stdout)
        served = [(d["provider"], d["model"], d["status"]) for d in reversed(gateway.decisions())]
    assert served == [
        ("openai", "gpt-4o", 200),
        ("anthropic", "claude-haiku-4-5", 200),
        ("anthropic", "claude-haiku-4-5", 200),
        ("gemini", "gemini-2.5-flash", 200),
    ]


def test_the_readmes_commands_work():
    listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [binary(), "run", "objects", "--listen", listen, "--admin", admin, "--", *AGENT]
    done = subprocess.run(command, cwd=EXAMPLE, env=environment(), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    check_output(done.stdout)


def test_a_model_that_the_key_denies_is_an_error_in_the_agent():
    with Gateway(EXAMPLE / "objects") as gateway:
        env = environment(OPENAI_BASE_URL=f"{gateway.base}/v1", SUMMARIZER_MODEL="gemini/gemini-2.5-pro")
        done = subprocess.run(AGENT, env=env, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode != 0
    assert "PermissionDeniedError" in done.stderr and "gemini-2.5-pro" in done.stderr, done.stderr
