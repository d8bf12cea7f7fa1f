"""Plays a page: types the commands after each `$` in its console blocks, and compares the output with the page.

`...` matches anything. `outrigger run` is not typed: the gateway already runs, on its own ports and with a copy of
the objects, and commands for 4180 and 4181 go there. Functions can be defined and called later.
"""

import re
import shlex
import shutil
import subprocess

from gateway import REPOSITORY, binary, environment

SECONDS = 120


def steps(page):
    """(command, expected output) of each step in order."""
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
    """A copy of an example's folder below `to`, with some texts replaced."""
    folder = shutil.copytree(REPOSITORY / "examples" / name, to / "examples" / name)
    for old, new in changes:
        holds = [file for file in folder.glob("*.yaml") if old in file.read_text()]
        assert len(holds) == 1 and holds[0].read_text().count(old) == 1, old
        holds[0].write_text(holds[0].read_text().replace(old, new))
    return folder


def is_shown(output, shown):
    pattern = ".*".join(map(re.escape, shown.strip().split("...")))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def play(page, gateway, repository):
    """Types the commands of a page in `repository`. Returns how many have an output on the page."""
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
        output = (done.stdout + done.stderr).replace("\r", "")
        if shown:
            assert is_shown(output, shown), f"$ {command}\n{output}\n\ndiffers from the page:\n{shown}"
            compared += 1
        else:
            assert done.returncode == 0, f"$ {command}\n{output}"
    return compared
