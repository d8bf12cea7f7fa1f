"""examples/quickstart: three providers behind one port, through any API."""

import json
import shutil
import subprocess
import time
import urllib.request

import pytest

from gateway import REPOSITORY, Gateway, binary, environment, free_port

EXAMPLE = REPOSITORY / "examples" / "quickstart"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def gateway():
    with Gateway(EXAMPLE) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("name_in_request", "provider", "model"),
    [
        ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("gemini/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("openai/a-name-that-nobody-lists", "openai", "a-name-that-nobody-lists"),
    ],
)
def test_each_provider_is_reached_by_name(gateway, name_in_request, provider, model):
    status, headers, answer = gateway.chat(name_in_request)
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == f"Hello from {provider}, as {model}."
    assert (headers["x-outrigger-provider"], headers["x-outrigger-model"]) == (provider, model)
    assert answer["extra_fields"]["attempts"] == 1 and answer["extra_fields"]["fallback_reason"] is None


def test_a_name_that_no_provider_lists_is_an_error(gateway):
    status, _, answer = gateway.chat("a-name-that-nobody-lists")
    assert (status, answer["error"]["type"]) == (404, "model_not_found")
    assert "openai, anthropic, gemini accept any name" in answer["error"]["message"], answer


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"])
def test_streams_work_with_all_three(gateway, model):
    body = {"model": model, "messages": HELLO, "stream": True}
    status, headers, text = gateway.ask("/v1/chat/completions", body)
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    content = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    provider, name = model.split("/")
    assert content == f"Hello from {provider}, as {name}."


def test_any_api_reaches_any_provider(gateway):
    """Requests as Anthropic's and Google's SDKs send them, for a provider with another dialect."""
    body = {"model": "openai/gpt-4o-mini", "max_tokens": 100, "messages": HELLO}
    status, _, text = gateway.ask("/v1/messages", body, anthropic_version="2023-06-01")
    assert status == 200 and json.loads(text)["content"][0]["text"] == "Hello from openai, as gpt-4o-mini."
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    status, _, text = gateway.ask("/v1beta/models/anthropic/claude-haiku-4-5:generateContent", body)
    parts = json.loads(text)["candidates"][0]["content"]["parts"]
    assert status == 200 and parts[0]["text"] == "Hello from anthropic, as claude-haiku-4-5."


def test_models_are_listed(gateway):
    with urllib.request.urlopen(gateway.base + "/v1/models", timeout=10) as answer:
        listed = {model["id"] for model in json.load(answer)["data"]}
    assert listed == {"openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"}


def test_decisions_say_what_was_decided(gateway):
    _, headers, _ = gateway.chat("gemini/gemini-2.5-flash")
    last = gateway.decisions()[0]
    assert last["decision"] == headers["x-outrigger-decision"]
    assert (last["key"], last["provider"], last["model"]) == ("quickstart", "gemini", "gemini-2.5-flash")


def test_a_change_is_served_and_a_broken_one_is_not(tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "objects")
    providers = folder / "providers.yaml"
    good = providers.read_text()

    def ready(gateway, until):
        # The folder's changes are reported here; a request costs less than the gateway's own debounce.
        deadline = time.monotonic() + 10
        while not until(status := json.loads(gateway.get("/readyz"))):
            assert time.monotonic() < deadline, status
        return status

    with Gateway(folder) as gateway:
        providers.write_text(good.replace("reply:", "repl:", 1))
        status = ready(gateway, lambda status: status["rejected"])
        assert status["ready"] and status["rejected"]["path"] == "spec.mock.repl"
        assert "did you mean `reply`" in status["rejected"]["message"]
        assert gateway.chat("openai/gpt-4o-mini")[0] == 200
        assert "providers.yaml:8: LLMProvider default/openai: spec.mock.repl" in gateway.log.read_text()

        providers.write_text(good.replace("Hello", "Hi"))
        ready(gateway, lambda status: status["revision"].startswith("2-") and not status["rejected"])
        content = gateway.chat("openai/gpt-4o-mini")[2]["choices"][0]["message"]["content"]
        assert content == "Hi from openai, as gpt-4o-mini."


PROGRAMS = {
    "openai": """
import openai
answer = openai.OpenAI().chat.completions.create(
    model="gemini/gemini-2.5-flash", messages=[{"role": "user", "content": "Hello"}])
print(answer.choices[0].message.content)
""",
    "anthropic": """
import anthropic
answer = anthropic.Anthropic().messages.create(
    model="gemini/gemini-2.5-flash", max_tokens=100, messages=[{"role": "user", "content": "Hello"}])
print(answer.content[0].text)
""",
    "google": """
from google import genai
client = genai.Client()
print(client.models.generate_content(model="gemini/gemini-2.5-flash", contents="Hello").text)
""",
}


@pytest.mark.parametrize("sdk", PROGRAMS)
def test_an_application_starts_with_its_sdk_pointed_at_the_gateway(sdk):
    python = REPOSITORY / ".cache/venv" / sdk / "bin/python"
    ports = ["--listen", str(free_port()), "--admin", str(free_port())]
    # A key that is set, and must neither reach the application nor be needed.
    env = environment(OPENAI_API_KEY="sk-real", GEMINI_API_KEY="real", ANTHROPIC_API_KEY="sk-ant-real")
    command = [binary(), "run", EXAMPLE, *ports, "--", python, "-c", PROGRAMS[sdk]]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Hello from gemini, as gemini-2.5-flash.\n"


def test_an_application_gets_base_urls_and_no_key():
    shown = "import json, os; print(json.dumps(dict(os.environ)))"
    port = free_port()
    ports = ["--listen", str(port), "--admin", str(free_port())]
    env = environment(OPENAI_API_KEY="sk-real", MISTRAL_API_KEY="real", OTHER="kept")
    command = [binary(), "run", EXAMPLE, *ports, "--", "python3", "-c", shown]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    here = f"http://127.0.0.1:{port}"
    assert (given["OPENAI_BASE_URL"], given["OPENAI_API_BASE"]) == (f"{here}/v1", f"{here}/v1")
    assert (given["ANTHROPIC_BASE_URL"], given["GOOGLE_GEMINI_BASE_URL"]) == (here, here)
    assert given["OTHER"] == "kept"
    assert not [name for name, value in given.items() if value in ("sk-real", "real")]
