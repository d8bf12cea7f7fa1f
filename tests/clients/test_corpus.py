"""Every recorded 200, translated to the two other dialects, is accepted by that dialect's own SDK in its strictest
mode, with the same content."""

import collections
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway import REPOSITORY, Gateway, environment
from recorded import DIALECTS, Upstream, answers

HERE = Path(__file__).resolve().parent
RUN_SECONDS = 240
SDKS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}

PROVIDER = """
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {{name: {name}}}
spec:
  type: {type}
  endpoint: {address}/{version}
  credentials:
  - {{name: main, secretRef: {{name: dummy, key: apiKey}}}}
---
"""
KEY = """
apiVersion: v1
kind: Secret
metadata: {name: dummy}
stringData: {apiKey: dummy}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: tests}
spec: {}
"""

if not os.environ.get("OUTRIGGER_CORPUS"):
    pytest.skip("OUTRIGGER_CORPUS names no folder of recorded exchanges", allow_module_level=True)


@pytest.fixture(scope="module")
def recorded():
    return answers(os.environ["OUTRIGGER_CORPUS"])


def questions(recorded, sdk):
    """Number -> response, for those that this SDK gets translated."""
    chosen = {n: answer for n, answer in recorded.items() if answer.dialect != sdk}
    return {n: answer for n, answer in chosen.items() if not (answer.vectors and sdk == "anthropic")}


@pytest.fixture(scope="module")
def reports(recorded, tmp_path_factory):
    """SDK -> number -> the content that its program reports."""
    objects = tmp_path_factory.mktemp("objects")
    with Upstream(recorded) as upstream:
        providers = [
            PROVIDER.format(
                name=name, type=type, address=upstream.address, version="v1beta" if name == "gemini" else "v1"
            )
            for name, type in DIALECTS.items()
        ]
        (objects / "objects.yaml").write_text("".join(providers) + KEY)
        with Gateway(objects) as gateway:
            with ThreadPoolExecutor() as beside:
                reading = {sdk: beside.submit(report, sdk, gateway.base, questions(recorded, sdk)) for sdk in SDKS}
                return {sdk: output.result() for sdk, output in reading.items()}


def report(sdk, base, requested):
    """Number -> the content that the SDK's program reports."""
    lines = [
        {
            "model": f"{answer.dialect}/{number}",
            "stream": answer.stream,
            "vectors": len(answer.said()["vectors"]) if answer.vectors else 0,
        }
        for number, answer in requested.items()
    ]
    done = subprocess.run(
        [REPOSITORY / f".cache/venv/{SDKS[sdk]}/bin/python", HERE / f"python/{SDKS[sdk]}_replies.py", base],
        input="".join(json.dumps(line) + "\n" for line in lines),
        env=environment(), capture_output=True, text=True, timeout=RUN_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {int(line.pop("model").split("/")[1]): line for line in lines}


# Known differences: part of the recording's file name -> what the report must contain, and for how many.
OTHERWISE = {
    # With floats, as the gateway requests them, no provider would respond with these.
    "pplx-embed-v1-0_6b_": ("is not Base64 of floats", {"gemini": 2}),
    # Anthropic's responses can hold audio only as a link.
    "preview-tts_can_speak": ("![audio/", {"anthropic": 1}),
}


@pytest.mark.parametrize("sdk", SDKS)
def test_every_response_is_accepted_with_the_same_content(sdk, recorded, reports):
    requested = questions(recorded, sdk)
    assert sorted(reports[sdk]) == sorted(requested)
    wrong, otherwise = [], collections.Counter()
    for number, answer in requested.items():
        found, content = reports[sdk][number], answer.said()
        if found == content:
            continue
        how = next((part for part, (holds, _) in OTHERWISE.items() if part in answer.place and holds in str(found)), None)
        if how:
            otherwise[how] += 1
        else:
            found = found.get("error", str(found)[:1000])
            wrong.append(f"{number} {answer.place}\n  expected {str(content)[:1000]}\n  found {found}")
    assert not wrong, f"{len(wrong)} of {len(requested)}:\n" + "\n".join(wrong)
    assert otherwise == {part: counts[sdk] for part, (_, counts) in OTHERWISE.items() if sdk in counts}


def test_all_kinds_are_covered(recorded):
    """Whole responses, streams and vectors."""
    counts = collections.Counter(
        (sdk, answer.dialect, "vectors" if answer.vectors else "stream" if answer.stream else "whole")
        for sdk in SDKS
        for answer in questions(recorded, sdk).values()
    )
    assert counts == {
        ("openai", "anthropic", "whole"): 71,
        ("openai", "anthropic", "stream"): 13,
        ("openai", "gemini", "whole"): 133,
        ("openai", "gemini", "stream"): 23,
        ("openai", "gemini", "vectors"): 7,
        ("anthropic", "openai", "whole"): 312,
        ("anthropic", "openai", "stream"): 71,
        ("anthropic", "gemini", "whole"): 133,
        ("anthropic", "gemini", "stream"): 23,
        ("gemini", "openai", "whole"): 312,
        ("gemini", "openai", "stream"): 71,
        ("gemini", "openai", "vectors"): 30,
        ("gemini", "anthropic", "whole"): 71,
        ("gemini", "anthropic", "stream"): 13,
    }
