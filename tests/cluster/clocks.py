"""Clocks that are wrong: of one process at a time, by libfaketime."""

from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def clock(seconds):
    """The environment of a process that sees a clock so far ahead. How time passes stays as it is."""
    assert LIBRARY, "libfaketime is missing: scripts/node-packages.sh installs it"
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"{seconds:+}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
