"""Makes `gateway` importable from every folder of tests, and skips tests that need a control plane if there is
none."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent / "cluster"))

import binaries  # noqa: E402

# The fixtures that start a control plane. Tests that use one of these, directly or not, need it.
CONTROL_PLANES = {"bare", "cluster", "empty_cluster", "node"}
LEFT_OUT = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Skips tests that need a control plane if there is none, because its build takes an hour."""
    needing = [item for item in items if CONTROL_PLANES & set(item.fixturenames)]
    if needing and not binaries.has_controlplane():
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)
        config.stash[LEFT_OUT] = len(needing)


def pytest_terminal_summary(terminalreporter, config):
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"NOT RUN: {left_out} tests that need a Kubernetes control plane, and there is none. "
            "`make control-plane` builds one (an hour, once); OUTRIGGER_CONTROLPLANE=FOLDER names one that is built."
        )


def pytest_sessionfinish(session, exitstatus):
    """A file in which every test was skipped is no failure."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(LEFT_OUT, 0):
        session.exitstatus = pytest.ExitCode.OK
