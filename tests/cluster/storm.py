"""What a tenant can write to keep an operator busy: expensive conditions, expensive tests, and many of both, all
the time."""

import itertools
import threading

from api import path
from objects import outrigger

JOIN_SECONDS = 120
# The number of objects once each has been written.
MANY = 100
TEN = "[1,2,3,4,5,6,7,8,9,10]"


def nested(depth, inside="true", over=TEN):
    """Each level costs ten times its content."""
    return "".join(f"{over}.all(v{level}, " for level in range(depth)) + inside + ")" * depth


# Refused when written: those of FAULTS.md's S1, and similar ones.
TOO_DEAR = {
    "six deep": nested(6),
    "eight deep": nested(8),
    "what a request brings": nested(3, over="headers"),
    "texts that double": f"['{'a' * 16}']{'.map(x, x+x)' * 24}.size() > 0",
    "lists that double": f"[['a']]{'.map(x, x+x)' * 14}.size() > 0",
    "long lists": f"[{','.join(['1'] * 1800)}].all(a, [{','.join(['1'] * 100)}].all(b, true))",
    "three maps": "headers.all(a, params.all(b, labels.all(c, a + b == c)))",
    "a pattern": "model.matches('[ab]*a[ab]{20}')",
    "brackets": "(" * 200 + "true" + ")" * 200,
    "many signs": "!" * 4000 + "true",
}
# 14,500 of the 20,000 steps that a rule may take. Four of them exceed the limit of a request. None matches.
AT_THE_BOUND = f"![1,2].all(a, {nested(3)})"


def too_dear(namespace):
    """Writes them one by one, forever."""
    for at, when in enumerate(itertools.cycle(TOO_DEAR.values())):
        yield outrigger("RoutingRule", namespace, f"too-dear-{at % len(TOO_DEAR)}", when=when, targets=[{"provider": "shared"}])


def at_the_bound(namespace, writer, writers):
    """As expensive as allowed, with as many tests as allowed, each of which evaluates all conditions. They change
    in every round, so that everything is evaluated again."""
    tests = [{"name": f"t{at}", "request": {"model": "gpt-4o"}, "expect": {"provider": "shared"}} for at in range(63)]
    # A rule's tests make 2,000 draws.
    tests.append({"name": "drawn", "request": {"model": "gpt-4o"}, "expect": {"shares": {"shared": "100%"}}})
    for at in itertools.count(writer, writers):
        when = f"{AT_THE_BOUND} && model != '{at}'"
        spec = {"priority": 1000 + at % MANY, "when": when, "targets": [{"provider": "shared"}], "tests": tests}
        yield outrigger("RoutingRule", namespace, f"dear-{at % MANY}", **spec)


def again(object):
    """The same object, forever."""
    while True:
        yield object


def replace(api, object):
    """Writes a whole object over the stored one, or creates it."""
    metadata = object["metadata"]
    answer = api.ask("PUT", path(object["kind"], metadata["namespace"], metadata["name"]), object)
    return answer if answer.status != 404 else api.create(object)


class Storm:
    """Several writers that write objects all the time, as long as the block lasts."""

    def __init__(self, tenant, *writers, write=None, pace=0):
        """Each writer is an endless iterator of objects, which replace stored ones. `pace`: seconds between two
        writes of one writer."""
        self.put = write or (lambda api, object: api.try_apply(object, manager="tenant"))
        self.pace = pace
        self.tenant, self.done = tenant, threading.Event()
        self.written, self.lock, self.failures = {}, threading.Lock(), []
        self.threads = [threading.Thread(target=self.write, args=[objects], daemon=True) for objects in writers]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(JOIN_SECONDS)
        if kind is None:
            assert self.failures == [], self.failures

    def write(self, objects):
        api = self.tenant.another()
        for object in objects:
            if self.done.wait(self.pace) or len(self.failures) > 3:
                return
            try:
                status = self.put(api, object).status
            except Exception as error:  # noqa: BLE001
                self.failures.append(repr(error))
                continue
            with self.lock:
                self.written[status] = self.written.get(status, 0) + 1

    def has_written(self, least):
        """Whether so many objects were accepted."""
        assert self.failures == [], self.failures
        return sum(count for status, count in self.written.items() if status < 300) >= least
