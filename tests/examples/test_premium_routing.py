"""examples/premium-routing: rules on a header, on a nearly spent budget and on a team, with their tests."""

import subprocess

import pytest

from gateway import REPOSITORY, Gateway, binary, environment
from page import copied, play

NAME = "premium-routing"


def test_the_page_shows_what_happens(tmp_path):
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert play((REPOSITORY / "examples" / NAME / "README.md").read_text(), gateway, tmp_path) == 10


def test_no_rule_lifts_a_limit(tmp_path):
    """Until all is spent the small model serves, and then nothing does, whichever rule matches."""
    with Gateway(copied(NAME, tmp_path, ('amount: "20.00"', 'amount: "2.00"'))) as gateway:
        responses = []
        for _ in range(20):
            status, headers, _ = gateway.chat("gpt-4o", x_outrigger_key="app", x_tier="premium")
            responses.append((status, headers["x-outrigger-model"], headers["x-outrigger-rule"]))
            if status != 200:
                break
        premium, spare = (200, "claude-opus-4-5", "default/premium"), (200, "gpt-4o-mini", "default/spare")
        # A second request to Claude no longer fits. So the gateway decides again, with the budget at 100 %.
        assert responses[0] == premium and set(responses[1:-1]) == {spare}, responses
        assert responses[-1][0] == 402
        for key in ("app", "notebooks"):
            status, _, answer = gateway.chat("gpt-4o", x_outrigger_key=key)
            assert (status, answer["error"]["type"]) == (402, "budget_exceeded")
            assert answer["error"]["message"].startswith("Budget default/day: "), answer
        assert float(gateway.limits()["Budget default/day"]["spent"]) <= 2


@pytest.mark.parametrize(
    ("old", "new", "test"),
    [
        ("priority: 0", "priority: 20", "above 85 % even premium requests go to the small model"),
        ("budget_used > 85", "budget_used >= 85", "85 % is not above it"),
        ("fallbacks: [openai/gpt-4o]\n", "fallbacks: [openai/gpt-4o-mini]\n", "premium goes to Claude"),
        ("scope: {team: research}", "priority: 5", "above 85 %, too"),
        ('when: model == "gpt-4o"\n', 'when: model.startsWith("gpt-4o")\n', "but not its other models"),
    ],
)
def test_a_changed_rule_fails_its_test(tmp_path, old, new, test):
    folder = copied(NAME, tmp_path, (old, new))
    done = subprocess.run([binary(), "check", folder], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and test in done.stdout, done.stdout
