"""What people see of limits and do about them: `kubectl get`, Events, `outrigger budget`, and its verbs."""

import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

import binaries
import pytest

from objects import key, mock, outrigger
from spending import CAP, Load, gateways, spend_all

ACTION = "outrigger.dev/ledger-action"
# Of an output token: less than a cent, so that columns are rounded.
PRICE = Decimal("0.0073")
MODEL = {"name": "gpt-4o", "price": {"inputPerMillion": "0", "outputPerMillion": "7300"}}
# Gateways report what they spent within 5 seconds. The rest is for busy machines, and still less than the 15 seconds
# in which amounts are written otherwise.
AT_ONCE_SECONDS = 12
# No two writes for amounts are closer than 15 seconds. What a watch adds to the second of them is not known.
APART_SECONDS = 14
QUIET_SECONDS = 60


@pytest.fixture(autouse=True)
def running(operator):
    """Restarts it if the previous test ended it."""
    operator.as_a_kubelet_would()


def budget(namespace, dollars, name="team", **spec):
    return outrigger("Budget", namespace, name, amount=dollars, **{"window": "Month"} | spec)


def team(cluster, namespace, dollars, **spec):
    """A Budget, a key that counts against it, and a provider with a limit of its own."""
    requests = {"name": "day", "max": 100000, "window": "Day"}
    cluster.api.apply(mock(namespace, reply="Hello.", models=[MODEL], limits={"requests": [requests]}))
    cluster.api.apply(budget(namespace, dollars, **spec))
    tokens = {"name": "year", "max": 10000000, "window": "Year"}
    cluster.api.apply(key(namespace, budgetRefs=[{"name": "team"}], limits={"tokens": [tokens], "maxOutputTokens": CAP}))


def dollars(amount):
    """As exact as a status has it."""
    whole, _, decimals = f"{amount:.9f}".partition(".")
    return f"${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def cents(amount):
    """As a column has it."""
    return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP)}"


def spent_of(usages):
    return sum(usage["completion_tokens"] for usage in usages) * PRICE


def limit_of(seen, name="spec.amount"):
    limits = (seen or {}).get("status", {}).get("limits", [])
    return next((limit for limit in limits if limit["name"] == name), None)


def has_spent(amount, name="spec.amount"):
    """A condition of an object: so much is spent under this limit."""
    return lambda seen: (limit := limit_of(seen, name)) is not None and limit["spent"] == amount


def tables(text):
    """By the name of each object, its columns, of tables as kubectl prints them."""
    rows = {}
    for table in text.strip().split("\n\n"):
        head, *lines = table.splitlines()
        columns = [(found.start(), found.group()) for found in re.finditer(r"\S+", head)]
        ends = [start for start, _ in columns[1:]] + [None]
        for line in lines:
            row = {name: line[start:end].strip() for (start, name), end in zip(columns, ends)}
            rows[row["NAME"]] = row
    return rows


def next_month():
    now = datetime.now(timezone.utc)
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return f"{year}-{month:02}-01T00:00:00Z"


def command(cluster, *arguments, code=0):
    """The output of `outrigger budget`, with the kubectl of these tests."""
    environment = {"PATH": f"{cluster.kubectl_binary.parent}:/usr/bin:/bin", "HOME": str(cluster.folder)}
    typed = [binaries.outrigger("outrigger"), "budget", *arguments, "--kubeconfig", cluster.kubeconfig]
    done = subprocess.run(typed, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def row(text, label):
    (found,) = [line for line in text.splitlines() if line.strip().startswith(label)]
    return found


def test_the_columns_of_kubectl_are_true_to_the_cent_once_it_is_quiet(cluster, operator, namespace):
    team(cluster, namespace, "1.00")
    get = ("get", "vkey,llmb,llmp", "-n", namespace)
    with ExitStack() as stack:
        apps = gateways(stack, operator, namespace, ["one", "two"])
        cluster.api.until("Budget", namespace, "team", has_spent("$0.00"), QUIET_SECONDS)
        month = next_month()
        before = tables(cluster.kubectl(*get))["budget.outrigger.dev/team"]
        assert (before["SPENT"], before["LIMIT"]) == ("$0.00", "$1.00")
        assert before["RESETS"] in (month, next_month())

        with Load(apps, clients=1, pace=0.05) as load:
            during = cluster.api.until(
                "Budget", namespace, "team", lambda seen: (limit := limit_of(seen)) and limit["spent"] != "$0.00" and limit
            )
            assert 0 < Decimal(during["spent"][1:])
        spent = spent_of(load.usage)
        assert Decimal(during["spent"][1:]) <= spent <= 1

        limit = limit_of(cluster.api.until("Budget", namespace, "team", has_spent(dollars(spent)), QUIET_SECONDS))
        assert (limit["limit"], limit["reserved"], limit["worstCaseOvershoot"]) == ("$1.00", "$0.00", "$0.00")
        shares = [Decimal(limit[name][1:]) for name in ("spent", "leased", "unconfirmed", "available")]
        assert sum(shares) == 1, limit
        of_workloads = {one["workload"]: Decimal(one["spent"][1:]) for one in limit["workloads"]}
        assert of_workloads.keys() == {f"{namespace}/Pod/one", f"{namespace}/Pod/two"}
        assert sum(of_workloads.values()) == spent
        tokens = sum(usage["total_tokens"] for usage in load.usage)
        by_key = has_spent(str(tokens), "spec.limits.tokens[year]")
        cluster.api.until("VirtualKey", namespace, "default", by_key, QUIET_SECONDS)
        by_provider = has_spent(str(len(load.usage)), "spec.limits.requests[day]")
        cluster.api.until("LLMProvider", namespace, "openai", by_provider, QUIET_SECONDS)

        after = tables(cluster.kubectl(*get, "-o", "wide"))
        assert after["budget.outrigger.dev/team"]["SPENT"] == cents(spent)
        assert after["virtualkey.outrigger.dev/default"]["SPENT"] == str(tokens)
        provider = after["llmprovider.outrigger.dev/openai"]
        assert (provider["SPENT"], provider["LIMIT"]) == (str(len(load.usage)), "100000")


def test_the_command_line_shows_the_tree_before_during_and_after(cluster, operator, namespace):
    team(cluster, namespace, "1.00")
    shown = lambda *more: command(cluster, *more, "--namespace", namespace)  # noqa: E731
    before = shown()
    assert "not known yet" in row(before, "Budget ") and "$1.00" in row(before, "Budget "), before
    with ExitStack() as stack:
        apps = gateways(stack, operator, namespace, ["one"])
        cluster.api.until("Budget", namespace, "team", has_spent("$0.00"), QUIET_SECONDS)
        assert "[....................]   0%" in row(shown(), "Budget ")
        with Load(apps, clients=1, pace=0.05) as load:
            cluster.api.until("Budget", namespace, "team", lambda seen: limit_of(seen)["spent"] != "$0.00")
            during = shown("team")
        spent = spent_of(load.usage)
        amount = re.search(r"% +\$([0-9.]+)", row(during, "Budget "))
        assert 0 < Decimal(amount[1]) <= spent, during
        cluster.api.until("Budget", namespace, "team", has_spent(dollars(spent)), QUIET_SECONDS)
        after = shown()
        # The key is below its Budget.
        assert row(after, "VirtualKey ").startswith("    VirtualKey") and row(after, "Budget ").startswith("  Budget")
        filled = int(spent * 20)
        bar = "[" + "#" * filled + "." * (20 - filled) + "]"
        assert f"{bar} {int(spent * 100):>3}%" in row(after, "Budget ") and dollars(spent) in row(after, "Budget "), after
        (of_team,) = json.loads(shown("team", "--output", "json"))["objects"][:1]
        assert of_team["limits"][0]["spent"] == dollars(spent)


def test_amounts_are_written_at_most_every_15_seconds(cluster, operator, namespace):
    team(cluster, namespace, "100000.00")
    with ExitStack() as stack:
        apps = gateways(stack, operator, namespace, ["one"])
        cluster.api.until("Budget", namespace, "team", has_spent("$0.00"), QUIET_SECONDS)
        known = cluster.api.get("Budget", namespace, "team")
        changed, spent = [], limit_of(known)["spent"]
        with Load(apps, clients=1, pace=0.05):
            for event in cluster.api.events("Budget", namespace, 120, resourceVersion=known["metadata"]["resourceVersion"]):
                if (now := limit_of(event["object"])["spent"]) != spent:
                    changed.append(time.monotonic())
                    spent = now
                if len(changed) == 4:
                    break
    apart = [later - earlier for earlier, later in zip(changed, changed[1:])]
    assert len(apart) == 3 and min(apart) >= APART_SECONDS, apart


def test_levels_are_written_at_once_and_thresholds_are_told(cluster, operator, namespace):
    team(cluster, namespace, "1.00", thresholds=[{"percent": 1, "action": "Notify"}])
    requests = {"name": "few", "max": 20, "window": "Lifetime"}
    cluster.api.apply(key(namespace, budgetRefs=[{"name": "team"}], limits={"requests": [requests], "maxOutputTokens": CAP}))
    field = "spec.limits.requests[few]"
    with ExitStack() as stack:
        (app,) = gateways(stack, operator, namespace, ["one"])
        sent = 0
        for level, at in [(50, 10), (80, 16), (90, 18), (95, 19), (100, 20)]:
            while sent < at:
                assert app.chat()[0] == 200
                sent += 1
            reached = lambda seen, level=level: limit_of(seen, field).get("reached") == level  # noqa: E731
            limit = limit_of(cluster.api.until("VirtualKey", namespace, "default", reached, AT_ONCE_SECONDS), field)
            assert limit["spent"] == str(at)
        assert app.chat()[0] == 429
        used_up = cluster.wait_for_event(namespace, "VirtualKey", "default", "LimitReached")
        assert f"{field} is used up: 20 of 20" in used_up["note"]
        threshold = cluster.wait_for_event(namespace, "Budget", "team", "LimitReached")
        assert "spec.amount is used to 1 %" in threshold["note"]


def test_no_change_of_an_object_sets_what_was_spent_to_zero(cluster, operator, namespace):
    team(cluster, namespace, "1.00")
    own = lambda name, amount: cluster.api.try_apply(  # noqa: E731
        key(
            namespace, budgetRefs=[{"name": "team"}],
            limits={"budgets": [{"name": name, "amount": amount, "window": "Month"}], "maxOutputTokens": CAP},
        )
    )
    assert own("month", "1.00").warnings == []
    with ExitStack() as stack:
        (app,) = gateways(stack, operator, namespace, ["one"])
        app.until("the limit", lambda: len(app.served()["limits"]) == 3)
        answers = [app.chat() for _ in range(5)]
        assert {status for status, _ in answers} == {200}
        spent = dollars(spent_of(answer["usage"] for _, answer in answers))
        month = "spec.limits.budgets[month]"
        cluster.api.until("VirtualKey", namespace, "default", has_spent(spent, month), QUIET_SECONDS)
        cluster.api.until("Budget", namespace, "team", has_spent(spent), QUIET_SECONDS)

        def stays(kind, name, field, limit):
            def holds(seen):
                known = limit_of(seen, field)
                return known is not None and (known["limit"], known["spent"]) == (limit, spent)

            cluster.api.until(kind, namespace, name, holds, QUIET_SECONDS)

        for amount in ["5.00", "0.50"]:
            cluster.api.apply(budget(namespace, amount))
            stays("Budget", "team", "spec.amount", f"${amount}")
        assert own("month", "2.00").warnings == []
        stays("VirtualKey", "default", month, "$2.00")

        renamed = own("monthly", "2.00")
        assert any(month in warning and spent in warning for warning in renamed.warnings), renamed.warnings
        removed = cluster.wait_for_event(namespace, "VirtualKey", "default", "LimitRemoved")
        assert month in removed["note"] and spent in removed["note"]
        own("month", "2.00")
        stays("VirtualKey", "default", month, "$2.00")

        # The same name is the same limit.
        cluster.api.delete("Budget", namespace, "team")
        cluster.api.until("Budget", namespace, "team", lambda seen: seen is None)
        cluster.api.apply(budget(namespace, "3.00"))
        stays("Budget", "team", "spec.amount", "$3.00")


def annotate(cluster, namespace, name, action):
    cluster.api.merge("Budget", namespace, name, {"metadata": {"annotations": {ACTION: action}}})


def test_a_live_raise_lets_waiting_requests_through_within_a_second(cluster, operator, namespace):
    team(cluster, namespace, "0.10")
    until = datetime.fromtimestamp(time.time() + 3600, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def by_its_spec(number):
        cluster.api.apply(budget(namespace, f"{Decimal('0.10') * (number + 2)}"))

    def by_an_action(number):
        # A raise replaces the one before it.
        by = f"${Decimal('0.10') * (number + 1)}"
        action = {"id": f"r{number}", "verb": "raise", "amount": by, "until": until}
        annotate(cluster, namespace, "team", json.dumps(action))

    with ExitStack() as stack:
        apps = gateways(stack, operator, namespace, ["one", "two"])
        # A busy machine may be late now and then. If one is on time, nothing waits for a clock.
        for raised in [by_its_spec, by_an_action]:
            took = []
            for number in range(3):
                spend_all(apps)
                with ThreadPoolExecutor(len(apps)) as pool:
                    waiting = [pool.submit(first_answer, app) for app in apps]
                    raised(number)
                    began = time.monotonic()
                    took.append(max(one.result() for one in waiting) - began)
            print(f"{raised.__name__}: {', '.join(f'{seconds:.2f} s' for seconds in took)}")
            assert min(took) < 1, took


def first_answer(app, seconds=30):
    """When the first request is answered."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if app.chat()[0] == 200:
            return time.monotonic()
    raise TimeoutError(f"{app.name}: no request was answered within {seconds} s")


def test_the_verbs_are_done_once_and_audited(cluster, operator, namespace):
    team(cluster, namespace, "1.00")
    at = ("--namespace", namespace, "--reason", "a test")
    with ExitStack() as stack:
        (app,) = gateways(stack, operator, namespace, ["stays"])
        with ExitStack() as killed:
            (lost,) = gateways(killed, operator, namespace, ["lost"])
            answers = [app.chat() for app in (app, lost) for _ in range(3)]
            spent = spent_of(answer["usage"] for status, answer in answers if status == 200)
            cluster.api.until("Budget", namespace, "team", has_spent(dollars(spent)), QUIET_SECONDS)
        # It is killed, and its pod is deleted: what it held counts as spent.
        unconfirmed = lambda seen: (amount := limit_of(seen)["unconfirmed"]) != "$0.00" and amount  # noqa: E731
        held = cluster.api.until("Budget", namespace, "team", unconfirmed, QUIET_SECONDS)
        text = command(cluster, "--namespace", namespace)
        assert f"{held} of spec.amount is unconfirmed" in text and "outrigger budget forgive Budget/team" in text, text

        forgiven = command(cluster, "forgive", "team", *at)
        assert held in forgiven, forgiven
        none = lambda seen: limit_of(seen)["unconfirmed"] == "$0.00"  # noqa: E731
        cluster.api.until("Budget", namespace, "team", none, QUIET_SECONDS)

        reset = json.loads(command(cluster, "reset", "team", *at, "--output", "json"))
        assert (reset["verb"], reset["result"], reset["amount"]) == ("Reset", "Done", dollars(spent))
        # As the webhook has it, and not the program.
        assert reset["by"] and "program" not in reset["by"]
        cluster.api.until("Budget", namespace, "team", has_spent("$0.00"), QUIET_SECONDS)

        raised = command(cluster, "raise", "llmb/team", "--amount", "$2", "--until", "1h", *at)
        assert "the limit is higher by $2.00" in raised and "a test" in raised, raised
        higher = lambda seen: limit_of(seen)["limit"] == "$3.00"  # noqa: E731
        cluster.api.until("Budget", namespace, "team", higher, QUIET_SECONDS)
        assert "is raised by $2.00 until" in command(cluster, "team", "--namespace", namespace)

        wrong = command(cluster, "raise", "team", "--amount", "two", "--until", "1h", *at, code=2)
        assert "'two'" in wrong and "such as $50" in wrong, wrong
        # The operator does not rely on what the command line checks.
        two = {"id": "two", "verb": "raise", "amount": "two", "until": "2100-01-01T00:00:00Z"}
        annotate(cluster, namespace, "team", json.dumps(two))
        refused = lambda seen: (last := seen["status"]["actions"][-1])["id"] == "two" and last  # noqa: E731
        assert "`two`" in cluster.api.until("Budget", namespace, "team", refused)["message"]
        missing = command(cluster, "reset", "taem", *at, code=2)
        assert f"did you mean Budget {namespace}/team?" in missing, missing

        # A tool applies an old annotation again: it is not done again.
        status, answer = app.chat()
        assert status == 200
        again = dollars(answer["usage"]["completion_tokens"] * PRICE)
        cluster.api.until("Budget", namespace, "team", has_spent(again), QUIET_SECONDS)
        old = {"id": reset["id"], "verb": "reset", "limit": "spec.amount", "reason": "a test"}
        annotate(cluster, namespace, "team", json.dumps(old))
        newest = lambda seen: seen["status"]["actions"][-1]["id"] == reset["id"]  # noqa: E731
        seen = cluster.api.until("Budget", namespace, "team", newest)
        assert [one["id"] for one in seen["status"]["actions"]].count(reset["id"]) == 1
        annotate(cluster, namespace, "team", "{")
        unread = lambda seen: (last := seen["status"]["actions"][-1])["id"].startswith("unread-") and last  # noqa: E731
        assert "is no action" in cluster.api.until("Budget", namespace, "team", unread)["message"]
        assert limit_of(cluster.api.get("Budget", namespace, "team"))["spent"] == again

    # Events are recorded after the status is written.
    def told():
        reasons = [event["reason"] for event in cluster.api.list("Event", namespace)]
        return reasons.count("LimitAction"), reasons.count("LimitActionRefused")

    cluster.until("three Events for what was done, and two for what was refused", lambda: told() >= (3, 2))
    assert told() == (3, 2)
