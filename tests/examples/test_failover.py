"""examples/failover: one provider is rate limited, the other takes over."""

import json

import pytest

from gateway import REPOSITORY, Gateway

EXAMPLE = REPOSITORY / "examples" / "failover"


@pytest.fixture
def gateway():
    """One gateway for each test, so that the state of openai does not reach the next."""
    with Gateway(EXAMPLE) as gateway:
        yield gateway


def test_the_fallback_answers_and_the_first_choice_rests(gateway):
    status, headers, answer = gateway.chat("gpt-4o-mini")
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "Hello from anthropic, which took over."
    assert headers["x-outrigger-provider"] == "anthropic"
    assert headers["x-outrigger-model"] == "claude-haiku-4-5"
    assert headers["x-outrigger-attempts"] == "2"
    assert headers["x-outrigger-rule"] == "default/stand-in"
    extra = answer["extra_fields"]
    assert (extra["fallback_reason"], extra["attempts"]) == ("rate_limited", 2)
    attempts = [(one["provider"], one["status"], one["error"]) for one in gateway.decisions()[0]["attempts"]]
    assert attempts == [("openai", 429, "rate_limited"), ("anthropic", 200, None)]

    # Again, within the ten seconds that openai requested.
    assert gateway.chat("gpt-4o-mini")[0] == 200
    last = gateway.decisions()[0]
    skipped = [(one["provider"], one["skipped"]) for one in last["candidates"]]
    assert ("openai", "cooldown") in skipped and ("anthropic", None) in skipped
    assert [one["provider"] for one in last["attempts"]] == ["anthropic"]


def test_a_stream_fails_over_too(gateway):
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    status, headers, text = gateway.ask("/v1/chat/completions", body)
    assert (status, headers["x-outrigger-provider"]) == (200, "anthropic")
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == "Hello from anthropic, which took over."


def test_the_rule_overrides_the_name(gateway):
    assert gateway.chat("openai/gpt-4o-mini")[1]["x-outrigger-provider"] == "anthropic"


def test_an_error_without_a_fallback_is_returned(gateway):
    status, headers, answer = gateway.chat("openai/gpt-4o")
    assert status == 429
    assert "Rate limit reached for requests" in answer["error"]["message"]
    assert headers["retry-after"] == "10"
