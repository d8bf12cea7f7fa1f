"""Processes that outlive the call that starts them: logged, recorded, and stopped by process id *and* start time.

A process id alone may belong to another process by the time of the signal.
"""

import json
import os
import select
import signal
import subprocess
from pathlib import Path

STOP_SECONDS = 20
TAIL_LINES = 40


def started_at(pid):
    """When the kernel started it, in ticks since boot; None if the process does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses, and may contain anything.
    return int(stat.rpartition(")")[2].split()[19])


def end(pid, started, kill=False):
    """Ends exactly this process, if it still runs, and waits for its end. Kills it if it takes too long."""
    try:
        file = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # The pidfd refers to the process that had the id when it was opened.
        if started_at(pid) != started:
            return
        poll = select.poll()
        poll.register(file, select.POLLIN)
        for sent in (signal.SIGKILL,) if kill else (signal.SIGTERM, signal.SIGKILL):
            try:
                signal.pidfd_send_signal(file, sent)
            except ProcessLookupError:
                return
            if poll.poll(STOP_SECONDS * 1000):
                return
        raise TimeoutError(f"process {pid} can't be ended")
    finally:
        os.close(file)


def write_down(folder, name, pid):
    """Records the process, so that removing the folder ends it."""
    record = folder / "processes" / f"{name}.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps({"pid": pid, "started": started_at(pid)}))
    return record


def end_written_down(folder):
    for record in (folder / "processes").glob("*.json"):
        known = json.loads(record.read_text())
        end(known["pid"], known["started"], kill=True)
        record.unlink()


class Daemon:
    """One process, from its start to its end."""

    def __init__(self, name, command, folder, bound, env=None):
        """`bound`: it ends with the process that starts it, however that ends."""
        self.command = command
        self.name, self.log = name, folder / "logs" / f"{name}.log"
        self.log.parent.mkdir(exist_ok=True)
        if bound:
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )
        self.pid, self.started = self.process.pid, started_at(self.process.pid)
        self.record = write_down(folder, name, self.pid)

    def stop(self, kill=False):
        if self.process.poll() is None:
            end(self.pid, self.started, kill)
        self.process.wait()
        self.record.unlink(missing_ok=True)

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
