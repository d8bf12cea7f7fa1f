"""Starts the gateway for the tests across processes, and reads its admin pages.

The binary is OUTRIGGER_BIN, or cargo's latest build; release builds take precedence.
"""

import json
import os
import random
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import canary

REPOSITORY = Path(__file__).resolve().parent.parent
READY_SECONDS = 20  # generous: the promised 50 ms are measured elsewhere
PORTS, GIVEN = range(12_000, 28_000), set()
# The folder for spending: not the user's own, and removed with this process.
STATES = tempfile.TemporaryDirectory(prefix="outrigger-states-")

# As the images set them: freed memory is returned to the system, so that leaks are visible.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def binary():
    if named := os.environ.get("OUTRIGGER_BIN"):
        return Path(named)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    for profile in ("dist", "release", "debug"):
        if (found := target / profile / "outrigger").exists():
            return found
    raise FileNotFoundError("no gateway: run `make build`, or set OUTRIGGER_BIN")


def environment(**more):
    """This process's environment without variables that would redirect a client or the gateway.

    Accounts are new each time: those of another run, or its lock, must not reach this one.
    """
    foreign = (
        "AWS_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_", "OUTRIGGER_",
    )  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign) and not k.lower().endswith("_proxy")}
    return environment | {"NO_PROXY": "127.0.0.1", "XDG_STATE_HOME": tempfile.mkdtemp(dir=STATES.name)} | more


def free_port():
    """A port without a listener that was not returned before.

    Below the ephemeral ports, because the system could give one of those to a connection first.
    """
    for port in random.sample(PORTS, 100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in GIVEN:
            GIVEN.add(port)
            return port
    raise OSError(f"a hundred ports of {PORTS} are all in use")


class Gateway:
    """`outrigger run OBJECTS` on free ports; ready once the block is entered, ended when it is left."""

    def __init__(self, objects, *arguments, port=None, **env):
        self.objects, self.arguments, self.port, self.env = objects, arguments, port, env

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="outrigger-")
        self.log = Path(self.folder.name) / "log"
        listen, admin = f"127.0.0.1:{self.port or free_port()}", f"127.0.0.1:{free_port()}"
        self.base, self.admin = f"http://{listen}", f"http://{admin}"
        command = [binary(), "run", self.objects, "--listen", listen, "--admin", admin, *self.arguments]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(**self.env), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        pages = self.pages()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        log = self.log.read_text(errors="replace")
        print(log)  # pytest shows it with a failure
        self.folder.cleanup()
        for place, text in {"the log": log, **pages}.items():
            canary.check(place, text)

    def until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.admin}/readyz", timeout=5):
                    return
            except OSError as error:
                answer = error
            try:
                # The wait for its end paces the requests.
                self.process.wait(0.01)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
            raise RuntimeError(f"the gateway is not ready ({answer}):\n{self.log.read_text()}")

    def pages(self):
        """The admin pages, as far as they answer."""
        pages = {}
        for path in ("/metrics", "/policy", "/decisions?limit=1000"):
            try:
                pages[path] = self.get(path)
            except OSError:
                break  # It has ended.
        return pages

    def get(self, path):
        with urllib.request.urlopen(self.admin + path, timeout=10) as answer:
            return answer.read().decode()

    def decisions(self, most=100):
        """The decision records, newest first."""
        return json.loads(self.get(f"/decisions?limit={most}"))

    def until(self, holds):
        """Waits for the effect of a changed folder. A request costs less than the gateway's own debounce."""
        deadline = time.monotonic() + READY_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the change had no effect:\n{self.log.read_text()}")

    def limits(self):
        """The used amount of each limit in force, by name."""
        return {limit["name"]: limit for limit in json.loads(self.get("/policy"))["limits"]}

    def ask(self, path, body, **headers):
        """A response with any status: (status, headers, body)."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()} | {"content-type": "application/json"}
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), headers)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            text = answer.read().decode()
        canary.check("an answer", f"{answer.headers}{text}")
        return answer.status, answer.headers, text

    def chat(self, model, **headers):
        """A chat in OpenAI's API: (status, headers, the response as JSON)."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        status, headers, text = self.ask("/v1/chat/completions", body, **headers)
        return status, headers, json.loads(text)
