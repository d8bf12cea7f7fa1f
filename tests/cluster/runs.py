"""A folder for each cluster that runs. Folders of other clusters are removed.

The paths are short, because the path of a socket has at most 107 characters.
"""

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from daemon import end_written_down, started_at
from gateway import REPOSITORY

ROOT = Path(tempfile.gettempdir()) / f"outrigger-clusters-{os.getuid()}"
KEPT = REPOSITORY / ".cache" / "cluster-logs"
CGROUPS = Path("/sys/fs/cgroup")


def new(name, bound):
    """An empty folder. `bound`: it belongs to this process, and may be removed when the process has ended."""
    ROOT.mkdir(mode=0o755, exist_ok=True)
    clear_left()
    folder = ROOT / (f"{name}-{os.getpid()}" if bound else name)
    if folder.exists():
        raise FileExistsError(f"a cluster is there already: {folder}")
    folder.mkdir()
    if bound:
        owner = {"pid": os.getpid(), "started": started_at(os.getpid())}
        (folder / "owner.json").write_text(json.dumps(owner))
    return folder


def clear_left():
    """Removes the folders of processes that have ended."""
    for folder in ROOT.iterdir():
        with suppress(FileNotFoundError):
            owner = json.loads((folder / "owner.json").read_text())
            if started_at(owner["pid"]) != owner["started"]:
                remove(folder)


def is_alive(folder):
    """Whether all of a cluster's processes run."""
    known = [json.loads(record.read_text()) for record in (folder / "processes").glob("*.json")]
    return bool(known) and all(started_at(one["pid"]) == one["started"] for one in known)


def remove(folder, keep_logs=False):
    """Ends the rest of a cluster, and removes its folder and its cgroups. Returns the path of kept logs, or
    None."""
    end_written_down(folder)
    for group in [*CGROUPS.glob(f"*/{folder.name}"), *CGROUPS.glob(folder.name)]:
        for inner, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                os.rmdir(inner)
    logs = None
    if keep_logs and (folder / "logs").exists():
        logs = KEPT / folder.name
        shutil.rmtree(logs, ignore_errors=True)
        shutil.copytree(folder / "logs", logs)
    shutil.rmtree(folder)
    return logs
