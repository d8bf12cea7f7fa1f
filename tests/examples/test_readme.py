"""The pages: README.md shows what happens, and every link is valid."""

import json
import re
import subprocess
import textwrap

import pytest

from gateway import REPOSITORY, Gateway, binary, environment
from page import is_shown

README = (REPOSITORY / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
VENVS = {"openai": "openai", "anthropic": "anthropic", "google": "google"}
# Folders with pages of others: a pinned environment, build artifacts.
FOREIGN = {".cache", ".git", "node_modules", "target"}


@pytest.fixture(scope="module")
def gateway():
    with Gateway(REPOSITORY / "examples" / "quickstart") as gateway:
        yield gateway


def test_every_sdk_has_a_snippet():
    assert [re.match(r"from (\w+)", snippet)[1] for snippet in SNIPPETS] == list(VENVS)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=VENVS)
def test_a_snippet_prints_its_expected_output(gateway, snippet):
    sdk = re.match(r"from (\w+)", snippet)[1]
    expected = re.search(r"print\(.*\)  # (.*)", snippet)[1]
    program = snippet.replace("http://127.0.0.1:4180", gateway.base)
    assert program != snippet
    python = REPOSITORY / ".cache/venv" / VENVS[sdk] / "bin/python"
    done = subprocess.run([python, "-c", program], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected


def test_the_first_request_is_answered_as_shown(gateway):
    status, headers, answer = gateway.chat("anthropic/claude-haiku-4-5")
    shown = re.search(r"HTTP/1.1 200 OK\n(.*?)\.\.\.", README, re.DOTALL)[1]
    for name, value in (line.split(": ", 1) for line in shown.splitlines()):
        assert name in headers, name
        assert headers[name] == value or name == "x-outrigger-decision"
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "Hello from anthropic, as claude-haiku-4-5."


def test_the_least_budget_refuses_as_shown(tmp_path):
    section = README.split("## Budgets\n")[1].split("\n## ")[0]
    (key,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    (shown,) = re.findall(r"```\n(HTTP.*?)```", section, re.DOTALL)
    spent = re.search(r"\$([\d.]+) of", shown)[1]
    # So expensive that one token leaves the rest that the page shows.
    price = {"inputPerMillion": "0", "outputPerMillion": f"{float(spent) * 1_000_000:.2f}"}
    provider = {
        "apiVersion": "outrigger.dev/v1alpha1",
        "kind": "LLMProvider",
        "metadata": {"name": "openai"},
        "spec": {"type": "Mock", "mock": {"reply": "Hello"}, "defaultPrice": price},
    }
    (tmp_path / "key.yaml").write_text(key)
    (tmp_path / "provider.json").write_text(json.dumps(provider))
    body = {"model": "gpt-4o", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}
    with Gateway(tmp_path) as gateway:
        assert gateway.ask("/v1/chat/completions", body)[0] == 200
        status, headers, text = gateway.ask("/v1/chat/completions", body)
    response = f"HTTP/1.1 {status} Payment Required\n" + "\n".join(f"{name}: {headers[name]}" for name in headers) + f"\n{text}"
    assert is_shown(response, shown), response


@pytest.mark.parametrize(("page", "count"), [("README.md", 3), ("examples/README.md", 2)])
def test_objects_on_a_page_are_valid(tmp_path, page, count):
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    key = "apiVersion: outrigger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {name: app}\nspec:\n"
    objects = [key + textwrap.indent(block, "  ") if block.startswith("limits:") else block for block in blocks]
    (tmp_path / "objects.yaml").write_text("---\n".join(objects))
    env = environment(OPENAI_API_KEY="sk")
    done = subprocess.run([binary(), "check", tmp_path], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{count} objects, 0 errors\n", done.stdout


def pages():
    return [page for page in REPOSITORY.rglob("*.md") if not FOREIGN & set(page.relative_to(REPOSITORY).parts)]


def anchors(text):
    """As GitHub derives them from headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_are_valid(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def hand_written():
    """The pages that are not generated."""
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    return [page for page in pages if "do not edit it by hand" not in page.read_text().replace("\n", " ")]


@pytest.mark.parametrize("page", hand_written(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_prose_is_wrapped_at_100_columns(page):
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "    "))]
    long = [line for line in lines if len(line) > 100 and " " in line.strip()[:100]]
    assert not long, long[0]
