"""examples/cost-optimized-failover: cheap until its budget is spent, then premium; with a limit of requests in an
hour."""

from datetime import UTC, datetime, timedelta

from gateway import REPOSITORY, Gateway
from page import copied, play

NAME = "cost-optimized-failover"
DAY = "VirtualKey default/app: spec.providers[cheap].limits.budgets[day]"


def test_the_page_shows_what_happens(tmp_path):
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert play((REPOSITORY / "examples" / NAME / "README.md").read_text(), gateway, tmp_path) == 5


def test_another_amount_keeps_what_was_spent(tmp_path):
    """As the page says: raise the budget at run time, and the cheap provider serves again."""
    folder = copied(NAME, tmp_path, ('amount: "10.00"', 'amount: "2.00"'))
    with Gateway(folder) as gateway:
        served = [gateway.chat("assistant")[1]["x-outrigger-provider"] for _ in range(4)]
        assert served == ["cheap", "cheap", "premium", "premium"]
        assert gateway.limits()[DAY]["spent"] == "1.04"
        key = folder / "key.yaml"
        key.write_text(key.read_text().replace('amount: "2.00"', 'amount: "20.00"'))
        gateway.until(lambda: gateway.limits()[DAY]["limit"] == "20.00")
        assert gateway.chat("assistant")[1]["x-outrigger-provider"] == "cheap"
        assert gateway.limits()[DAY]["spent"] == "1.56"


def test_spending_survives_a_restart(tmp_path):
    folder = copied(NAME, tmp_path, ('amount: "10.00"', 'amount: "2.00"'))
    state = ["--state", tmp_path / "state"]
    for served in (["cheap", "cheap", "premium"], ["premium"]):
        with Gateway(folder, *state) as gateway:
            assert [gateway.chat("assistant")[1]["x-outrigger-provider"] for _ in served] == served


def test_the_day_ends_at_midnight(tmp_path):
    with Gateway(copied(NAME, tmp_path, ('amount: "10.00"', 'amount: "0.01"'))) as gateway:
        # The cheap one never had budget.
        assert gateway.chat("assistant")[1]["x-outrigger-provider"] == "premium"
        limit = gateway.limits()[DAY]
        since, until = (datetime.fromisoformat(limit[end]) for end in ("since", "until"))
        assert until - since == timedelta(days=1) and since.astimezone(UTC).hour == since.minute == 0
        assert since <= datetime.fromisoformat(limit["as_of"]) < until
