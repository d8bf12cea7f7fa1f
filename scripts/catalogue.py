#!/usr/bin/env python3
"""Writes policy/src/catalogue/builtin.rs, the built-in model catalogue.

Its source is the public price table that LiteLLM keeps (MIT licence):
`litellm/model_prices_and_context_window_backup.json` in the PyPI package `litellm`, version 1.109.1.
`make catalogue` installs that package and runs this; by hand:

    scripts/catalogue.py TABLE.json             write the file
    scripts/catalogue.py TABLE.json --check     exit 1 if the file is not what the table gives

To move to a newer table: change VERSION, READ and SHA256 here and the pin in scripts/requirements-catalogue.txt,
run `make catalogue`, and read the difference.
"""

import hashlib
import json
import sys
from pathlib import Path

PACKAGE = "litellm"
VERSION = "1.109.1"
READ = "2026-11-22"  # the day this version was taken; the wheel itself carries no date
SHA256 = "8f8060d8ce7a40c91b995c74d6a27657543d49e3c1c53430dabd556f244392c6"

OUTPUT = Path(__file__).resolve().parent.parent / "policy" / "src" / "catalogue" / "builtin.rs"

# Our provider type -> the table's names for it. A name may stand in the table with or without its provider in front.
PROVIDERS = {
    "Anthropic": ("anthropic",),
    "Cerebras": ("cerebras",),
    "Gemini": ("gemini",),
    "Groq": ("groq",),
    "Mistral": ("mistral",),
    "OpenAI": ("openai", "text-completion-openai"),
}

MODES = {"chat", "completion", "responses", "embedding"}

# What stands between a provider's prefix and the model's name in rows that price a region or a service tier.
VARIANTS = {"batch", "eu", "fast", "flex", "global", "priority", "us", "au", "jp", "apac"}

# Letter in builtin.rs -> what in a row says so. A modality listed counts as much as a flag: rows have either.
CAPABILITIES = [
    ("T", lambda row: row.get("supports_function_calling")),
    ("V", lambda row: row.get("supports_vision") or "image" in row.get("supported_modalities", ())),
    ("R", lambda row: row.get("supports_reasoning")),
    ("S", lambda row: row.get("supports_response_schema") or row.get("supports_native_structured_output")),
    ("C", lambda row: row.get("supports_prompt_caching")),
    ("A", lambda row: row.get("supports_audio_input") or "audio" in row.get("supported_modalities", ())),
    ("P", lambda row: row.get("supports_pdf_input")),
    ("E", lambda row: row.get("mode") == "embedding"),
]

HEAD = '''\
//! Written by `scripts/catalogue.py`; `make catalogue` writes it anew. Not edited by hand.
//!
//! Derived from the model table of LiteLLM, Copyright (c) 2023 Berri AI, MIT licence (see NOTICE).

use super::{{Capabilities, Entry}};

/// Where these figures come from: package, version, the day it was read.
pub static SOURCE: &str = "{source}";

const T: u16 = Capabilities::TOOLS.0;
const V: u16 = Capabilities::VISION.0;
const R: u16 = Capabilities::REASONING.0;
const S: u16 = Capabilities::STRUCTURED_OUTPUTS.0;
const C: u16 = Capabilities::PROMPT_CACHING.0;
const A: u16 = Capabilities::AUDIO.0;
const P: u16 = Capabilities::FILES.0;
const E: u16 = Capabilities::EMBEDDINGS.0;

/// One model a line: name, context window, most output tokens, capabilities.
const fn model(name: &'static str, context_window: u32, max_output_tokens: u32, capabilities: u16) -> Entry {{
    Entry {{ name, context_window, max_output_tokens, capabilities: Capabilities(capabilities) }}
}}
'''


def own_name(key, prefixes):
    """The name the provider's own API has for a row's key, or None if the row is not a model of its own."""
    for prefix in prefixes:
        if key.startswith(prefix + "/"):
            key = key[len(prefix) + 1 :]
            break
    first, slash, _ = key.partition("/")
    if key.startswith("ft:") or (slash and first in VARIANTS):
        return None
    return key


def tokens(value):
    return value if isinstance(value, int) and 0 < value < 2**32 else 0


def entries(table, prefixes):
    """Name -> (context window, most output tokens, capability letters)."""
    found = {}
    for key, row in table.items():
        if row.get("litellm_provider") not in prefixes or row.get("mode") not in MODES:
            continue
        window, output = tokens(row.get("max_input_tokens")), tokens(row.get("max_output_tokens"))
        if not window and "input_cost_per_token" not in row:
            continue  # a tool priced by the session, not a model
        name = own_name(key, prefixes)
        if name is None:
            continue
        letters = [letter for letter, says in CAPABILITIES if says(row)]
        if "E" in letters:
            output = 0  # the table repeats the vector's length or the input here
        # The row with the provider in front is the direct API's; the bare one only fills a gap.
        if name not in found or key != name:
            found[name] = (window, output, letters)
    return found


def number(value):
    return f"{value:_}"


def render(table):
    parts = [HEAD.format(source=f"{PACKAGE} {VERSION}, read {READ}")]
    for kind, prefixes in PROVIDERS.items():
        rows = entries(table, prefixes)
        parts.append(f"\npub(super) static {kind.upper()}: &[Entry] = &[\n")
        # Rust orders strings by their UTF-8 bytes, and so must the binary search's table.
        for name in sorted(rows, key=lambda n: n.encode()):
            window, output, letters = rows[name]
            flags = " | ".join(letters) or "0"
            parts.append(f'    model("{name}", {number(window)}, {number(output)}, {flags}),\n')
        parts.append("];\n")
    return "".join(parts)


def main(arguments):
    check = "--check" in arguments
    paths = [a for a in arguments if not a.startswith("-")]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    data = Path(paths[0]).read_bytes()
    if (digest := hashlib.sha256(data).hexdigest()) != SHA256:
        print(f"{paths[0]} is not the table of {PACKAGE} {VERSION}: its SHA-256 is {digest}", file=sys.stderr)
        return 1
    text = render(json.loads(data))
    if not check:
        OUTPUT.write_text(text)
    elif OUTPUT.read_text() != text:
        print(f"{OUTPUT.name} is not what {PACKAGE} {VERSION} gives: run `make catalogue`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
