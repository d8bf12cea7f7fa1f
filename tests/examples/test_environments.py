"""examples/environments: the key separates the environments, and identifies them."""

import subprocess

import pytest

from gateway import REPOSITORY, Gateway, binary, environment, free_port

EXAMPLE = REPOSITORY / "examples" / "environments"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(EXAMPLE) as gateway:
        yield gateway


def test_a_request_without_a_key_lists_the_keys(gateway):
    status, _, answer = gateway.chat("gpt-4o-mini")
    assert (status, answer["error"]["type"]) == (401, "virtual_key_required")
    assert "development" in answer["error"]["message"] and "production" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("key", "model", "status", "kind"),
    [
        ("development", "openai/gpt-4o", 403, "provider_blocked"),
        ("development", "anthropic/claude-haiku-4-5", 403, "provider_blocked"),
        ("production", "local/gpt-4o-mini", 403, "provider_blocked"),
        ("production", "gpt-5-preview", 403, "model_blocked"),
        ("production", "openai/gpt-5-preview", 403, "model_blocked"),
    ],
)
def test_models_of_other_environments_are_refused(gateway, key, model, status, kind):
    found, _, answer = gateway.chat(model, x_outrigger_key=key)
    assert (found, answer["error"]["type"]) == (status, kind)
    # The refusal names the key.
    assert key in answer["error"]["message"], answer


def test_an_unknown_key_is_refused_and_not_repeated(gateway):
    """The sent text may be a token."""
    status, _, answer = gateway.chat("gpt-4o-mini", x_outrigger_key="staging")
    assert (status, answer["error"]["type"]) == (403, "virtual_key_blocked")
    assert "staging" not in answer["error"]["message"], answer


def test_development_is_local_and_production_is_not(gateway):
    for _ in range(20):
        status, headers, answer = gateway.chat("gpt-4o-mini", x_outrigger_key="development")
        assert (status, headers["x-outrigger-provider"]) == (200, "local")
        assert answer["choices"][0]["message"]["content"] == "Hello from local, which costs nothing."
        status, headers, _ = gateway.chat("gpt-4o-mini", x_outrigger_key="production")
        assert status == 200 and headers["x-outrigger-provider"] in ("openai", "anthropic")


@pytest.mark.parametrize(("key", "served"), [("development", {"local"}), ("production", {"openai", "anthropic"})])
def test_the_key_is_set_when_the_application_starts(key, served):
    script = """
import json, os, urllib.request
body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}).encode()
head = {"content-type": "application/json", "authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body, head)
print(urllib.request.urlopen(request).headers["x-outrigger-provider"])
"""
    ports = ["--listen", str(free_port()), "--admin", str(free_port())]
    command = [binary(), "run", EXAMPLE, "--key", key, *ports, "--", "python3", "-c", script]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in served
