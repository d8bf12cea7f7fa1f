"""Keys and gateways that spend a budget, one cent for each output token."""

import threading
from concurrent.futures import ThreadPoolExecutor

from gateway_process import GatewayProcess
from objects import ASKS, key, mock, pod

BUDGET_CENTS = 100
# The price of an output token. Input tokens are free.
CENTS = 1
# The most tokens of an answer: so much is reserved for each request.
CAP = 4
MODEL = {"name": "gpt-4o", "price": {"inputPerMillion": "0", "outputPerMillion": "10000.00"}}


def budgeted(cluster, namespace, cents=BUDGET_CENTS):
    cluster.api.apply(mock(namespace, reply="Hello.", models=[MODEL]))
    amount(cluster, namespace, cents)


def amount(cluster, namespace, cents):
    """Sets the budget."""
    budget = {"name": "total", "amount": f"{cents / 100:.2f}", "window": "Lifetime"}
    cluster.api.apply(key(namespace, limits={"budgets": [budget], "maxOutputTokens": CAP}))


def spend(app, most=500):
    """Sends requests until the budget is spent, at most `most`. Returns the cost of the replies in cents."""
    cents = 0
    for _ in range(most):
        status, answer = app.chat()
        if status == 200:
            cents += answer["usage"]["completion_tokens"] * CENTS
        elif status == 402:
            return cents
        else:
            # Others hold the rest, or no leader grants for a moment.
            assert answer["error"]["type"] in ("budget_contended", "budget_unavailable"), answer
    return cents


def spend_all(apps, most=500):
    with ThreadPoolExecutor(len(apps)) as pool:
        return sum(pool.map(lambda app: spend(app, most), apps))


def gateways(stack, operator, namespace, names):
    apps = [stack.enter_context(GatewayProcess(operator, pod(namespace, name, ASKS))) for name in names]
    for app in apps:
        app.until("a policy", lambda app=app: app.is_connected() and app.sequence() > 0)
    return apps


class Load:
    """Sends requests to all gateways: as fast as they are answered, or less often."""

    def __init__(self, apps, clients=4, pace=0):
        self.apps, self.clients, self.pace = apps, clients, pace
        # The statuses of all answers, the usage of those with 200, and the errors of others.
        self.told, self.usage, self.errors = [], [], []
        self.ended = threading.Event()

    def __enter__(self):
        self.pool = ThreadPoolExecutor(len(self.apps) * self.clients)
        self.working = [self.pool.submit(self.work, app) for app in self.apps for _ in range(self.clients)]
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.pool.shutdown()
        if kind is None:
            for one in self.working:
                one.result()

    def work(self, app):
        while not self.ended.wait(self.pace):
            status, answer = app.chat()
            if status == 200:
                self.usage.append(answer["usage"])
            else:
                self.errors.append(answer["error"])
            self.told.append(status)

    def has_sent(self, more):
        """A condition: so many more answers than now."""
        before = len(self.told)
        return lambda: len(self.told) >= before + more
