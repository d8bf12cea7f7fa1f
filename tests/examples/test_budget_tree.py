"""examples/budget-tree: spending counts at every level above, and no key is outside of the tree."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway import REPOSITORY, Gateway
from page import copied, play

NAME = "budget-tree"
PARIS = ZoneInfo("Europe/Paris")
TEAM, CUSTOMER, COMPANY = "Budget acme/search", "Budget acme/acme", "Budget outrigger-system/company"


def test_the_page_shows_what_happens(tmp_path):
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert play((REPOSITORY / "examples" / NAME / "README.md").read_text(), gateway, tmp_path) == 4
        log = gateway.log.read_text()
    for crossed in (f"{CUSTOMER} percent=50", f"{TEAM} percent=80", f"{TEAM} percent=95", f"{COMPANY} percent=95"):
        assert f"a threshold is crossed budget={crossed}" in log, log


def spent(gateway):
    limits = gateway.limits()
    return [limits[name]["spent"] for name in (TEAM, CUSTOMER, COMPANY)]


def test_the_month_is_that_of_paris():
    with Gateway(REPOSITORY / "examples" / NAME) as gateway:
        limits = gateway.limits()
        assert set(limits) == {TEAM, CUSTOMER, COMPANY}
        for limit in limits.values():
            since, until = (datetime.fromisoformat(limit[end]).astimezone(PARIS) for end in ("since", "until"))
            # From one first of the month to the next at midnight in Paris, whatever the time in UTC.
            assert (since.day, since.hour, since.minute) == (until.day, until.hour, until.minute) == (1, 0, 0)
            assert (until.year - since.year) * 12 + until.month - since.month == 1
            assert since <= datetime.fromisoformat(limit["as_of"]) < until


def test_spending_of_a_team_counts_only_in_its_budgets(tmp_path):
    with Gateway(copied(NAME, tmp_path)) as gateway:
        assert gateway.chat("gpt-4o", x_outrigger_key="search")[0] == 200
        assert spent(gateway) == ["0.50", "0.50", "0.50"]
        assert gateway.chat("gpt-4o", x_outrigger_key="rogue")[0] == 200
        assert spent(gateway) == ["0.50", "0.50", "1.00"]
        counted = {one["name"]: (one["spent"], one["limit"]) for one in gateway.decisions(1)[0]["budgets"]}
        assert counted == {COMPANY: ("1.00", "15.00")}, "a key without a budget counts in the root"


def test_the_first_spent_budget_refuses(tmp_path):
    """The customer has less left than its team."""
    with Gateway(copied(NAME, tmp_path, ('amount: "12.00"', 'amount: "1.60"'))) as gateway:
        responses = [gateway.chat("gpt-4o", x_outrigger_key="search") for _ in range(3)]
        assert [status for status, _, _ in responses] == [200, 200, 402]
        status, headers, answer = responses[-1]
        assert answer["error"]["message"].startswith(f"{CUSTOMER}: $1.00 of $1.60 a month (Europe/Paris) are spent"), answer
        assert headers["x-should-retry"] == "false"
        until = datetime.fromisoformat(gateway.limits()[CUSTOMER]["until"])
        left = (until - datetime.now(until.tzinfo)).total_seconds()
        assert abs(int(headers["retry-after"]) - left) < 60, "until the month ends"
