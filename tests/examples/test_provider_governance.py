"""examples/provider-governance: a total limit, and a share of it for each provider."""

import pytest

from gateway import REPOSITORY, Gateway
from page import copied, play

NAME = "provider-governance"


def test_the_page_shows_what_happens(tmp_path):
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert play((REPOSITORY / "examples" / NAME / "README.md").read_text(), gateway, tmp_path) == 3


@pytest.mark.parametrize(
    ("change", "limit", "used"),
    [
        (("max: 1000,", "max: 5,"), "spec.providers[openai].limits.requests[hour]", "5"),
        # Five output tokens each; how many more are reserved is an estimate.
        (("max: 1000000,", "max: 40,"), "spec.providers[openai].limits.tokens[hour]", None),
        (("max: 500,", "max: 3,"), "spec.providers[anthropic].limits.requests[hour]", "3"),
    ],
)
def test_a_provider_with_a_used_up_hour_is_skipped(tmp_path, change, limit, used):
    """The example's own limits, set so low that they are reached."""
    provider = "openai" if "openai" in limit else "anthropic"
    with Gateway(copied(NAME, tmp_path, change)) as gateway:
        for _ in range(24):
            assert gateway.chat("assistant")[0] == 200
        level = gateway.limits()[f"VirtualKey default/governed: {limit}"]
        assert int(level["spent"]) <= int(level["limit"]) and used in (None, level["spent"]), level
        decisions = gateway.decisions()
        assert decisions[0]["provider"] != provider
        skipped = {one["provider"]: one["skipped"] for one in decisions[0]["candidates"]}
        assert skipped[provider] == "limit", decisions[0]
        assert any(one["provider"] == provider for one in decisions), "it served while it could"


def test_on_limit_reject(tmp_path):
    """`onLimit: Reject`, as the page says."""
    changes = [("max: 1000,", "max: 1,"), ("spec:\n  # All", "spec:\n  onLimit: Reject\n  # All")]
    with Gateway(copied(NAME, tmp_path, *changes)) as gateway:
        assert gateway.chat("openai/assistant")[0] == 200
        status, headers, answer = gateway.chat("openai/assistant")
        assert (status, answer["error"]["type"]) == (429, "request_limited"), answer
        assert "spec.providers[openai].limits.requests[hour]" in answer["error"]["message"]
        assert 0 < int(headers["retry-after"]) <= 3600
