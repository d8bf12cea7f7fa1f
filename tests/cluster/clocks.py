"""Wrong clocks, each for one process, with libfaketime."""

from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def clock(seconds):
    """The environment of a process whose clock is that far ahead. Time passes as usual."""
    assert LIBRARY, "libfaketime is missing: scripts/node-packages.sh installs it"
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"{seconds:+}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
