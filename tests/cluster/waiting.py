"""The only place where cluster tests wait: for a condition, with a deadline, as long as the involved processes
live."""

import os
import select
import time

# Between two checks. The end of a watched process is noticed at once.
PACE_SECONDS = 0.05


class Ended(RuntimeError):
    """A process that was needed for the condition ended first."""


def until(what, holds, seconds, alive=()):
    """Checks until `holds()` is true, and returns its result. Connection errors count as not true yet.

    `alive`: daemons that must run meanwhile.
    """
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            if given := holds():
                return given
        except OSError as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s" + (f" ({last})" if last else ""))
        if ended := first_to_end(alive, PACE_SECONDS):
            raise Ended(f"{what}: {ended.name} has ended:\n{ended.tail()}")


def first_to_end(daemons, seconds):
    """The first of them that ends within this time, if any."""
    poll = select.poll()
    by_file = {}
    for daemon in daemons:
        try:
            file = os.pidfd_open(daemon.pid)
        except ProcessLookupError:
            file = None
        if file is None:
            close(by_file)
            return daemon
        by_file[file] = daemon
        poll.register(file, select.POLLIN)
    try:
        ready = poll.poll(seconds * 1000)
        return by_file[ready[0][0]] if ready else None
    finally:
        close(by_file)


def close(files):
    for file in files:
        os.close(file)
