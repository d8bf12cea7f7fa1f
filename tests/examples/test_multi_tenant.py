"""examples/multi-tenant: each key has its own limits, and two of them share a customer's budget."""

import pytest

from gateway import REPOSITORY, Gateway
from page import copied, play

NAME = "multi-tenant"


def test_the_page_shows_what_happens(tmp_path):
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert play((REPOSITORY / "examples" / NAME / "README.md").read_text(), gateway, tmp_path) == 6


@pytest.fixture(scope="module")
def gateway():
    with Gateway(REPOSITORY / "examples" / NAME) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("key", "model", "status"),
    [
        ("free", "gpt-4o-mini", 200),
        ("free", "gpt-4o", 403),
        ("free", "claude-opus-4-5", 403),
        ("pro", "gpt-4o-mini", 200),
        ("pro", "gpt-4o", 200),
        ("pro", "claude-opus-4-5", 403),
        ("enterprise", "gpt-4o", 200),
        ("enterprise", "claude-opus-4-5", 200),
    ],
)
def test_each_key_has_its_models(gateway, key, model, status):
    assert gateway.chat(model, x_outrigger_key=key)[0] == status


def test_an_sdk_sends_its_key_as_its_api_key(gateway):
    gateway.chat("gpt-4o", authorization="Bearer enterprise")
    assert gateway.decisions(1)[0]["key"] == "enterprise"


def test_limits_match_the_table(gateway):
    """Exactly one limit for each figure of the page's table."""
    limits = {name.removeprefix("VirtualKey default/"): one["limit"] for name, one in gateway.limits().items()}
    assert limits == {
        "Budget default/acme": "50.00",
        "Budget default/acme-research": "40.00",
        "free: spec.limits.budgets[day]": "2.00",
        "free: spec.limits.requests[minute]": "5",
        "pro: spec.limits.budgets[month]": "30.00",
        "pro: spec.limits.requests[minute]": "60",
        "enterprise: spec.limits.tokens[hour]": "1000000",
    }


def test_spending_of_a_team_counts_for_its_customer(tmp_path):
    """Spending counts above; a key's own limit is shared with no other."""
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert gateway.chat("claude-opus-4-5", x_outrigger_key="enterprise")[0] == 200
        assert gateway.chat("gpt-4o", x_outrigger_key="pro")[0] == 200
        assert gateway.chat("gpt-4o-mini", x_outrigger_key="free")[0] == 200
        spent = {name: one["spent"] for name, one in gateway.limits().items() if one["unit"] == "usd"}
    assert spent == {
        "Budget default/acme": "9.00",
        "Budget default/acme-research": "6.00",
        "VirtualKey default/free: spec.limits.budgets[day]": "0.30",
        "VirtualKey default/pro: spec.limits.budgets[month]": "3.00",
    }
