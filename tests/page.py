"""Plays a page: types what stands behind each `$` in its console blocks, and holds what comes against what is shown.

`...` stands for anything. `outrigger run` is not typed: the gateway is there already, on ports of its own and with a copy
of the objects, and what is typed for 4180 and 4181 goes there. Functions that are defined can be called further on.
"""

import re
import shlex
import shutil
import subprocess

from gateway import REPOSITORY, binary, environment

SECONDS = 120


def steps(page):
    """(command, what is shown) of each, in their order."""
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        command, shown = [], []
        for line in block.splitlines():
            if command and command[-1].endswith("\\") and not shown:
                command.append(line)
            elif line.startswith("$ "):
                if command:
                    yield "\n".join(command), "\n".join(shown)
                command, shown = [line[2:]], []
            else:
                assert command, f"a block begins with no command: {line}"
                shown.append(line)
        yield "\n".join(command), "\n".join(shown)


def copied(name, to, *changes):
    """An example's folder below `to`, as if that were the repository's, with words put in the place of others."""
    folder = shutil.copytree(REPOSITORY / "examples" / name, to / "examples" / name)
    for old, new in changes:
        holds = [file for file in folder.glob("*.yaml") if old in file.read_text()]
        assert len(holds) == 1 and holds[0].read_text().count(old) == 1, old
        holds[0].write_text(holds[0].read_text().replace(old, new))
    return folder


def is_shown(told, shown):
    pattern = ".*".join(map(re.escape, shown.strip().split("...")))
    return re.fullmatch(pattern, told.strip(), re.DOTALL) is not None


def play(page, gateway, repository):
    """Types the commands of a page in `repository`; how many of them show something."""
    compared, functions = 0, [f'outrigger() {{ {shlex.quote(str(binary()))} "$@"; }}']
    for command, shown in steps(page):
        if command.startswith("outrigger run "):
            continue
        typed = command.replace("http://127.0.0.1:4180", gateway.base).replace("http://127.0.0.1:4181", gateway.admin)
        if re.match(r"\w+\(\) \{", typed):
            functions.append(typed)
            continue
        program = "\n".join([*functions, typed])
        done = subprocess.run(
            ["bash", "-c", program], cwd=repository, env=environment(), capture_output=True, text=True, timeout=SECONDS
        )
        told = (done.stdout + done.stderr).replace("\r", "")
        if shown:
            assert is_shown(told, shown), f"$ {command}\n{told}\n\nis not what the page shows:\n{shown}"
            compared += 1
        else:
            assert done.returncode == 0, f"$ {command}\n{told}"
    return compared
