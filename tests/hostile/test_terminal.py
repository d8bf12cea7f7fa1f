"""The output on a terminal: text from callers, providers and files never moves the cursor or begins a line."""

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from answers import request
from conftest import KEY, objects
from gateway import binary, environment, free_port
from upstream import Upstream, says, whole
from wire import Connection, talk

EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\r\n200  1ms  all/is-well\u009b31m\u202e\u2028x\x7f"
COLOUR = re.compile(r"\x1b\[[0-9]{1,2}m")
# Our own output: colours and line ends (a terminal makes CR LF of LF).
HARMLESS = re.compile(r"[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*")


def is_harmless(text):
    text = COLOUR.sub("", text).replace("\r\n", "\n")
    return bool(HARMLESS.fullmatch(text)) and "\r" not in text


class Terminal:
    """A program on a terminal, as a user starts it."""

    def __init__(self, *command, **env):
        self.screen, slave = pty.openpty()
        env = environment(TERM="xterm", **env)
        self.process = subprocess.Popen([binary(), *command], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.screen)

    def read(self, seconds):
        ready, _, _ = select.select([self.screen], [], [], seconds)
        try:
            data = os.read(self.screen, 1 << 16) if ready else b""
        except OSError:
            data = b""  # the other end is closed
        self.text += data
        return bool(data)

    def until(self, words, seconds=30):
        deadline = time.monotonic() + seconds
        while words not in self.text.decode(errors="replace"):
            assert self.read(deadline - time.monotonic()), self.text.decode(errors="replace")
        return self.text.decode(errors="replace")

    def all(self):
        while self.read(30):
            pass
        self.process.wait(30)
        return self.text.decode()


def yaml(folder, name, text):
    Path(folder, name).write_text(text)


def test_a_callers_name_on_the_terminal(tmp_path):
    upstream = Upstream(says(whole(json.dumps({"error": {"message": f"no such model: {EVIL}"}}).encode(), status=b"404 No")))
    port = free_port()
    folder = objects(tmp_path, openai=upstream.url)
    with Terminal("run", folder, "--listen", str(port), "--admin", str(free_port())) as terminal:
        terminal.until("try it:")
        bodies = [
            {"model": f"mock/{EVIL}", "messages": [{"role": "user", "content": "x"}]},
            {"model": EVIL, "messages": [{"role": "user", "content": "x"}]},
            {"model": "openai/no-such", "fallbacks": [EVIL], "messages": [{"role": "user", "content": "x"}]},
            {"model": "mock/\u202egnp.exe", "messages": [{"role": "user", "content": "x"}]},
            {"model": "openai/\u202egnp.exe", "messages": [{"role": "user", "content": "x"}]},
        ]
        for body in bodies:
            data = json.dumps(body).encode()
            talk(("127.0.0.1", port), b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
        text = terminal.until("openai/\\u{202e}gnp.exe")
        assert is_harmless(text), ascii(text)
        assert "\\u{1b}]52" in text
    upstream.close()


@pytest.mark.parametrize("command", ["check", "explain", "diff", "run"])
def test_what_files_say_on_the_terminal(tmp_path, command):
    folder, other = tmp_path / "a\x1b[2Jb", tmp_path / "other"
    for one in (folder, other):
        one.mkdir()
        objects(one)
    quoted = json.dumps(EVIL)
    yaml(folder, "evil.yaml", f"apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {quoted}}}\nspec: {{type: {quoted}, {quoted}: 1}}\n")
    yaml(folder, "rule.yaml", f"apiVersion: outrigger.dev/v1alpha1\nkind: RoutingRule\nmetadata: {{name: r}}\nspec: {{when: {json.dumps('model == ' + EVIL)}}}\n")
    yaml(folder, "no\x1b[2J.yaml", "a: [\n")
    rest = {"check": [folder], "explain": [folder, "--model", f"mock/{EVIL}"], "diff": [other, folder], "run": [folder, "--listen", "0", "--admin", "0"]}
    with Terminal(command, *rest[command]) as terminal:
        text = terminal.all()
        assert is_harmless(text), ascii(text)
        assert "\\u{1b}" in text


def test_an_explanation_on_the_terminal(tmp_path):
    objects(tmp_path)
    # A name with control characters is refused and not repeated. One that changes the text direction is a name.
    for model, expected in [(EVIL, "may not contain control characters"), ("x\u202ey\u2028z", "\\u{202e}")]:
        with Terminal("explain", tmp_path, "--model", f"mock/{model}") as terminal:
            text = terminal.all()
            assert is_harmless(text) and expected in text, ascii(text)


def test_an_import_on_the_terminal(tmp_path):
    evil = tmp_path / "config.json"
    evil.write_text(json.dumps({"providers": {"openai": {"keys": [{"name": EVIL, "value": "env.X", "models": [EVIL], "weight": 1.0}], EVIL: 1}}, EVIL: 1}))
    with Terminal("import", "bifrost", evil) as terminal:
        text = terminal.all()
        assert is_harmless(text), ascii(text)


def test_a_refused_credential_is_named_without_a_terminal(tmp_path):
    """The name of its variable, once for several requests; never the value."""
    upstream = Upstream(says(whole(json.dumps({"error": {"message": f"bad key {KEY} {EVIL}", "code": "invalid_api_key"}}).encode(), status=b"401 No")))
    folder = objects(tmp_path, openai=upstream.url)
    Path(folder, "0.json").unlink()  # the Secret, so that its key is read from the environment
    port, log = free_port(), tmp_path / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [binary(), "run", folder, "--listen", str(port), "--admin", str(free_port())],
            env=environment(KEY_API_KEY=KEY), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )
    try:
        deadline = time.monotonic() + 20
        while b"serves" not in log.read_bytes():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        for _ in range(3):
            with Connection(("127.0.0.1", port)) as connection:
                connection.send(request("openai", "openai/m", False, b"connection: close"))
                status, _, body = connection.response()
            assert status == 502 and b"the variable KEY_API_KEY" in body and b"credential main of LLMProvider default/openai" in body
            assert KEY.encode() not in body
    finally:
        process.terminate()
        process.wait(10)
        upstream.close()
    text = log.read_text()
    warnings = [line for line in text.splitlines() if "WARN" in line]
    assert len(warnings) == 1 and "KEY_API_KEY" in warnings[0] and "credential=main" in warnings[0], text
    assert KEY not in text and is_harmless(text), ascii(text)
