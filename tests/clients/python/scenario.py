"""Shared by the Python client programs: the names that they request, and their report.

A program runs as `PROGRAM BASE PROVIDER MODEL [VARIANT]`, runs every scenario that it declares in order, and prints one
JSON line for each: {"scenario": NAME, "error": null or the traceback}. BASE has no /v1.
"""

import functools
import itertools
import json
import sys
import traceback
from typing import Literal

from pydantic import BaseModel

BASE, PROVIDER, MODEL = sys.argv[1:4]
# Another class of the same package: `azure`, `vertex`.
VARIANT = sys.argv[4] if len(sys.argv) > 4 else None

# ../policy has the providers.
PINNED = f"{PROVIDER}/{MODEL}"
PARALLEL = f"{PROVIDER}-parallel/{MODEL}"
LIMITED = f"limited-{PROVIDER}"  # two providers serve it, and both respond 429
REFUSED = f"{PROVIDER}/refused"  # the provider itself responds 400
DENIED = f"{PROVIDER}/denied-model"
UNKNOWN = "no-such-model"

GREETING = f"Hello from {PINNED}"

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "where"}},
    "required": ["city"],
    "additionalProperties": False,
}
TIME_SCHEMA = {
    "type": "object",
    "properties": {"zone": {"type": "string", "description": "an IANA time zone"}},
    "required": ["zone"],
    "additionalProperties": False,
}


class Forecast(BaseModel):
    """The schema of structured output."""

    city: str
    degrees: int
    sky: Literal["clear", "cloudy"]
    hours: list[int]


def run_tool(name, arguments):
    """The tools of these tests. They fail on any call that the policy's mock does not make."""
    if name == "get_weather":
        assert arguments == {"city": "Paris"}, arguments
        return json.dumps({"degrees": 18})
    assert name == "get_time", name
    assert arguments == {"zone": "Europe/Paris"}, arguments
    return json.dumps({"time": "12:00"})


def equal(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


def positive(*counts):
    for count in counts:
        assert isinstance(count, int) and count > 0, f"no token count: {counts}"


def raises(kind, call, status):
    """The error, which must have exactly the SDK's class for it."""
    try:
        answer = call()
    except kind as error:
        found = getattr(error, "status_code", None) or getattr(error, "code", None)
        assert found == status, f"{found} is not {status}: {error}"
        assert str(error), "an error without a message"
        return error
    raise AssertionError(f"no {kind.__name__}, but {answer!r}")


def for_each(apis, *scenarios):
    """The scenarios with the name of each API as argument: `openai_chat`, `anthropic_chat`. Packages that speak several
    APIs are slow to import, so one process asks in all of them."""
    named = []
    for api, scenario in itertools.product(apis, scenarios):
        named.append(functools.partial(scenario, api))
        named[-1].__name__ = f"{api}_{scenario.__name__}"
    return named


def run(*scenarios, own=((), ())):
    """Runs all scenarios. Those of `own` (providers and scenarios) run only for the providers that have the operation."""
    providers, more = own
    for scenario in [*scenarios, *(more if PROVIDER in (providers or ()) else [])]:
        error = None
        try:
            scenario()
        except Exception:
            error = traceback.format_exc()
        print(json.dumps({"scenario": scenario.__name__, "error": error}), flush=True)
