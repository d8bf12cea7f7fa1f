#!/usr/bin/env python3
"""Generates the built-in model catalogue: crates/policy/src/catalogue/builtin.rs and its prices in
builtin/prices.rs.

Its sources are two public tables with the MIT licence:

- LiteLLM's, `litellm/model_prices_and_context_window_backup.json` in the PyPI package `litellm`;
- for OpenRouter and Hugging Face, which LiteLLM's table leaves out, `genai_prices/data.py` in the PyPI package
  `genai-prices`. It is parsed, not run (scripts/genai_prices.py).

`make catalogue` downloads both packages and runs this; by hand:

    scripts/catalogue.py FOLDER             write the files
    scripts/catalogue.py FOLDER --check     exit 1 if the files are not what the tables give

To move to a newer table: change its line in SOURCES and its pin in scripts/requirements-catalogue.txt, run
`make catalogue`, and read the difference.
"""

import hashlib
import json
import re
import sys
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import genai_prices

# File -> package, version, the date of the download, and the file's SHA-256. The wheels have no date.
SOURCES = {
    "litellm.json": (
        "litellm", "1.109.1", "2026-11-22", "8f8060d8ce7a40c91b995c74d6a27657543d49e3c1c53430dabd556f244392c6"
    ),
    "genai_prices.py": ("genai-prices", "0.2.3", "2026-12-01", "5f4d8e175a91cf23cac17da33a4daa60a6a6c49525109c97e93db220d5197206"),
}

FOLDER = Path(__file__).resolve().parent.parent / "crates" / "policy" / "src" / "catalogue"
MODELS = FOLDER / "builtin.rs"
PRICES = FOLDER / "builtin" / "prices.rs"

# Our provider type -> the table's names for it. The table may list a model with or without its provider as a prefix.
PROVIDERS = {
    "Anthropic": ("anthropic",),
    "AzureOpenAI": ("azure", "azure_text"),
    "Bedrock": ("bedrock_converse", "bedrock"),
    "Cerebras": ("cerebras",),
    "Cohere": ("cohere", "cohere_chat"),
    "DeepSeek": ("deepseek",),
    "Fireworks": ("fireworks_ai", "fireworks_ai-embedding-models"),
    "Gemini": ("gemini",),
    "Groq": ("groq",),
    "Mistral": ("mistral",),
    "Nebius": ("nebius",),
    "OpenAI": ("openai", "text-completion-openai"),
    "Perplexity": ("perplexity",),
    "Together": ("together_ai",),
    "VertexAI": ("vertex_ai-language-models", "vertex_ai-anthropic_models", "vertex_ai-embedding-models"),
    "xAI": ("xai",),
}

# Types that give no model away: a price of zero is a gap of the table.
PAID = {
    "AzureOpenAI", "Bedrock", "Cohere", "DeepSeek", "Fireworks", "Nebius", "Perplexity", "Together", "VertexAI", "xAI"
}

# Rows with a price for models of a size, under no model's name.
SIZES = re.compile(r"(together|fireworks)-ai-")

# What a type serves, if it is less than all of MODES.
SERVED = {"Bedrock": {"chat", "completion"}, "VertexAI": {"chat", "embedding"}}

MODES = {
    "chat",
    "completion",
    "responses",
    "embedding",
    "image_generation",
    "audio_speech",
    "audio_transcription",
    "moderation",
    "rerank",
}

# The suffix of the table's prices for another service -> the service's name in responses.
SERVICES = {"_batches": "batch", "_flex": "flex", "_priority": "priority", "_ultrafast": "ultrafast"}

# Our field -> the table's names for it, in order of preference. Each may have "_above_200k_tokens" and
# then the service's end behind it.
TOKENS = {
    "input": ("input_cost_per_token",),
    "output": ("output_cost_per_token",),
    "cached_input": ("cache_read_input_token_cost",),
    "cache_write": ("cache_creation_input_token_cost",),
    "cache_write_1h": ("cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost_above_12hr"),
    "reasoning": ("output_cost_per_reasoning_token",),
    "audio_input": ("input_cost_per_audio_token",),
    "audio_output": ("output_cost_per_audio_token",),
    "image_input": ("input_cost_per_image_token",),
    "image_output": ("output_cost_per_image_token",),
}
IN_TIER = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
IN_SERVICE = (*IN_TIER, "audio_input", "image_output")

# The parts between a provider's prefix and the model's name in rows with prices of a region or a service tier.
VARIANTS = {"batch", "eu", "fast", "flex", "global", "priority", "us", "au", "jp", "apac"}

# Letter in builtin.rs -> the condition on a row. A modality in a list counts as much as a flag: rows have either.
CAPABILITIES = [
    ("T", lambda row: row.get("supports_function_calling")),
    ("V", lambda row: row.get("supports_vision") or "image" in row.get("supported_modalities", ())),
    ("R", lambda row: row.get("supports_reasoning")),
    ("S", lambda row: row.get("supports_response_schema") or row.get("supports_native_structured_output")),
    ("C", lambda row: row.get("supports_prompt_caching")),
    ("A", lambda row: row.get("supports_audio_input") or "audio" in row.get("supported_modalities", ())
        or row.get("mode") in ("audio_speech", "audio_transcription")),
    ("P", lambda row: row.get("supports_pdf_input")),
    ("E", lambda row: row.get("mode") == "embedding"),
]

HEAD = '''\
//! Written by `scripts/catalogue.py`; `make catalogue` regenerates it. Do not edit it by hand.
//!
//! Derived from the model table of LiteLLM, Copyright (c) 2023 Berri AI, and from genai-prices, Copyright (c) Pydantic
//! Services Inc., both with the MIT licence (see NOTICE).

use outrigger_core::Capabilities;

use super::table::{{UNKNOWN, UNPRICED, model, table}};

pub(super) mod prices;

/// The sources of these figures: package, version, and date of the download.
pub static SOURCE: &str = "{source}";

const T: u16 = Capabilities::TOOLS.0;
const V: u16 = Capabilities::VISION.0;
const R: u16 = Capabilities::REASONING.0;
const S: u16 = Capabilities::STRUCTURED_OUTPUTS.0;
const C: u16 = Capabilities::PROMPT_CACHING.0;
const A: u16 = Capabilities::AUDIO.0;
const P: u16 = Capabilities::FILES.0;
const E: u16 = Capabilities::EMBEDDINGS.0;

// One model a line: name, context window, most output tokens, capabilities, price.
'''

PRICES_HEAD = '''\
//! Written by `scripts/catalogue.py`; `make catalogue` regenerates it. Do not edit it by hand.
//!
//! Derived from the price table of LiteLLM, Copyright (c) 2023 Berri AI, and from genai-prices, Copyright (c) Pydantic
//! Services Inc., both with the MIT licence (see NOTICE). Models with the same price share an entry, which is named
//! after one of them.

use std::borrow::Cow;

use crate::prices::{Price, Service, Tier};

const PRICE: Price = Price {
    input: 0, output: 0, cached_input: None, cache_write: None, cache_write_1h: None, reasoning: None,
    audio_input: None, audio_output: None, image_input: None, image_output: None,
    image: None, characters: None, second: None, search: None, tiers: Cow::Borrowed(&[]), services: Cow::Borrowed(&[]),
};
const TIER: Tier = Tier { above: 0, input: 0, output: 0, cached_input: None, cache_write: None, cache_write_1h: None };
const SERVICE: Service = Service {
    name: Cow::Borrowed(""), input: 0, output: 0, cached_input: None, cache_write: None, cache_write_1h: None,
    audio_input: None, image_output: None, tiers: Cow::Borrowed(&[]),
};
'''


# A model of Bedrock, alone or with the region whose price it is. Rows of capacity that is bought by the month, of
# pictures by their size, and of LiteLLM's own spellings are none.
BEDROCK = re.compile(r"(?:bedrock/)?((?:[a-z]{2}(?:-[a-z]+)+-\d/)?[a-z0-9-]+\.[a-z0-9.:-]+)")

# What the table writes before the models of a cloud. Rows with more of a path have the price of another region.
CLOUDS = {"AzureOpenAI": "azure/", "VertexAI": "vertex_ai/"}


def own_name(kind, key, prefixes):
    """The model's name in the provider's own API, or None if the row is not a model of its own."""
    if kind == "Bedrock":
        found = BEDROCK.fullmatch(key)
        return found and found[1]
    if kind in CLOUDS:
        key = key.removeprefix(CLOUDS[kind])
        return None if "/" in key else key
    for prefix in prefixes:
        if key.startswith(prefix + "/"):
            key = key[len(prefix) + 1 :]
            break
    first, slash, _ = key.partition("/")
    if key.startswith("ft:") or SIZES.match(key) or (slash and first in VARIANTS):
        return None
    # LiteLLM completes short names.
    if kind == "Fireworks" and not slash:
        key = f"accounts/fireworks/{'routers' if key.endswith('-fast') else 'models'}/{key}"
    return key


def tokens(value):
    return int(value) if isinstance(value, Decimal) and value == int(value) and 0 < value < 2**32 else 0


def nanos(dollars, times):
    """Nano-dollars for `times` units at a price of `dollars` each, rounded up."""
    return int((dollars * times * 10**9).to_integral_value(ROUND_CEILING))


def listed_prices(row, fields, ending):
    """The prices of the fields that the row has under names with this ending, per million."""
    found = {}
    for field in fields:
        for name in TOKENS[field]:
            if isinstance(value := row.get(name + ending), Decimal):
                found[field] = nanos(value, 10**6)
                break
    return found


def left_out(field, usual, own):
    """The price of a field that a tier or a service leaves out: `follow` in
    crates/policy/src/prices/rates.rs."""
    whole = "output" if field in ("reasoning", "audio_output", "image_output") else "input"
    if field not in usual:
        return own[whole]
    part, old, new = usual[field], usual[whole], own[whole]
    risen = max(part, -(-part * new // max(old, 1)))
    return min(risen, new) if part <= old else risen


def needed(fields, usual, own):
    """The prices that a tier or a service must list, totals first."""
    parts = {field: own[field] for field in fields if field in own and field not in ("input", "output")}
    return {"input": own["input"], "output": own["output"]} | {
        field: value for field, value in parts.items() if value != left_out(field, usual, own)
    }


def tiers(row, usual, service=""):
    sizes = {int(size) for name in row for size in re.findall(rf"_above_(\d+)k_tokens{service}$", name)}
    found = []
    for size in sorted(sizes):
        own = listed_prices(row, IN_TIER, f"_above_{size}k_tokens{service}")
        if "input" in own or "output" in own:
            own = {"input": usual["input"], "output": usual["output"]} | own
            found.append({"above": size * 1000} | needed(IN_TIER, usual, own))
    # A tier without a difference is left out.
    return [tier for tier in found if tier != {"above": tier["above"]} | needed(IN_TIER, usual, usual)]


def services(row, usual):
    found = []
    for ending, word in SERVICES.items():
        own = listed_prices(row, IN_SERVICE, ending)
        if "input" in own or "output" in own:
            own = {"input": usual["input"], "output": usual["output"]} | own
            within = {field: own.get(field, left_out(field, usual, own)) for field in (*usual, *own)}
            found.append({"name": word} | needed(IN_SERVICE, usual, own) | {"tiers": tiers(row, within, ending)})
    # Anthropic's fast mode: the same prices with a factor.
    times = row.get("provider_specific_entry", {}).get("fast")
    if times is not None:
        own = {field: int(usual[field] * times) for field in IN_SERVICE if field in usual}
        found.append({"name": "fast"} | needed(IN_SERVICE, usual, own) | {"tiers": []})
    return found


def price(row):
    """The price of a row, or None if it can't be read from the row. Never a zero that the table does not
    have."""
    mode = row["mode"]
    usual = listed_prices(row, TOKENS, "")
    beside = {}
    # Units that are counted in tokens are not counted again by picture or second.
    if mode == "image_generation" and "output" not in usual and "image_output" in usual:
        usual["output"] = usual["image_output"]
    if mode == "embedding" and "input" in usual:
        usual.setdefault("output", 0)
    if mode == "rerank":
        query = row.get("input_cost_per_query")
        if not isinstance(query, Decimal) or any(usual.values()):
            return None
        return {"input": 0, "output": 0, "search": nanos(query, 1)}
    if "input" not in usual and "output" not in usual:
        characters, second = row.get("input_cost_per_character"), row.get("input_cost_per_second")
        if mode == "audio_speech" and isinstance(characters, Decimal):
            beside["characters"] = nanos(characters, 10**6)
        elif mode == "audio_transcription" and isinstance(second, Decimal):
            beside["second"] = nanos(second, 1)
        else:
            return None
        return {"input": 0, "output": 0} | beside
    if "input" not in usual or "output" not in usual:
        return None
    # Zeros beside a price by picture or song are no prices.
    if not usual["input"] and not usual["output"] and row.get("output_cost_per_image"):
        return None
    parts = {}
    for field in TOKENS:
        if field in usual and field not in ("input", "output") and usual[field] != left_out(field, {}, usual):
            parts[field] = usual[field]
    if parts.get("cache_write_1h") == parts.get("cache_write", usual["input"]):
        del parts["cache_write_1h"]
    parts = {"input": usual["input"], "output": usual["output"]} | parts
    return parts | {"tiers": tiers(row, parts), "services": services(row, parts)}


def entries(table, kind, prefixes):
    """Name -> (context window, most output tokens, capability letters, price)."""
    found = {}
    for key, row in table.items():
        if row.get("litellm_provider") not in prefixes or row.get("mode") not in SERVED.get(kind, MODES):
            continue
        # Other vendors' models, which only Perplexity's Responses API has.
        if kind == "Perplexity" and row["mode"] == "responses":
            continue
        window, output = tokens(row.get("max_input_tokens")), tokens(row.get("max_output_tokens"))
        cost = price(row)
        # Batches are jobs of another API there, which no gateway sees.
        if kind == "Bedrock" and cost is not None and "services" in cost:
            cost["services"] = [service for service in cost["services"] if service["name"] != "batch"]
        if kind in PAID and cost is not None and not any(cost.values()):
            cost = None
        if not window and "input_cost_per_token" not in row and cost is None:
            continue  # not a model: a tool priced by session, or a picture of one size
        name = own_name(kind, key, prefixes)
        if name is None:
            continue
        letters = [letter for letter, says in CAPABILITIES if says(row)]
        if "E" in letters:
            output = 0  # here, the table repeats the vector's length or the input
        # A row with the provider's prefix is the direct API's. A row without only fills gaps.
        if name not in found or key.endswith("/" + name):
            found[name] = (window, output, letters, cost)
    return found


def without_repeats(found):
    """The same without the rows of an inference profile that say what the model's own row says, and without those of a
    region that have the same price: a name that has no row of its own is looked up without its beginning."""
    def repeats(name):
        _, region, base = name.partition("/")
        if region:
            return base in found and found[base][3] == found[name][3]
        return found.get(name.partition(".")[2]) == found[name]

    return {name: entry for name, entry in found.items() if not repeats(name)}


def routed(rows):
    """The same of rows without capabilities. Models without a price say nothing here."""
    priced = {name: (tokens(row.get("max_input_tokens")), 0, None, price(row)) for name, row in rows.items()}
    return {name: entry for name, entry in priced.items() if entry[3] is not None}


def number(value):
    return f"{value:_}"


def fields(values):
    """`input: 1, cached_input: Some(2)`: required fields are plain, others are optional."""
    bare = ("above", "input", "output")
    return ", ".join(
        f"{field}: {number(value) if field in bare else f'Some({number(value)})'}" for field, value in values.items()
    )


def render_tiers(found, indent):
    lines = "".join(f"{indent}    Tier {{ {fields(tier)}, ..TIER }},\n" for tier in found)
    return f"tiers: Cow::Borrowed(&[\n{lines}{indent}]),\n"


def render_price(cost):
    flat = {field: value for field, value in cost.items() if field not in ("tiers", "services")}
    if not cost.get("tiers") and not cost.get("services"):
        return f"    Price {{ {fields(flat)}, ..PRICE }},\n"
    text = f"    Price {{\n        {fields(flat)},\n"
    if cost.get("tiers"):
        text += "        " + render_tiers(cost["tiers"], "        ")
    if cost.get("services"):
        text += "        services: Cow::Borrowed(&[\n"
        for service in cost["services"]:
            own = {field: value for field, value in service.items() if field not in ("name", "tiers")}
            text += f'            Service {{\n                name: Cow::Borrowed("{service["name"]}"), {fields(own)},\n'
            if service["tiers"]:
                text += "                " + render_tiers(service["tiers"], "                ")
            text += "                ..SERVICE\n            },\n"
        text += "        ]),\n"
    return text + "        ..PRICE\n    },\n"


def render(all_models):
    """The text of each file. `all_models`: provider type -> entries."""
    source = "; ".join(f"{package} {version}, read {read}" for package, version, read, _ in SOURCES.values())
    models = [HEAD.format(source=source)]
    plain, graded = {}, {}
    for kind, rows in all_models.items():
        models.append(f"\ntable!({kind.upper()}, [\n")
        # Rust orders strings by their UTF-8 bytes, and the table's binary search depends on that.
        for name in sorted(rows, key=lambda n: n.encode()):
            window, output, letters, cost = rows[name]
            flags = "UNKNOWN" if letters is None else " | ".join(letters) or "0"
            paid = "UNPRICED"
            if cost is not None:
                known = graded if cost.get("tiers") or cost.get("services") else plain
                word = f"{kind.upper()}_{re.sub('[^A-Z0-9]+', '_', name.upper())}"
                paid = "prices::" + known.setdefault(json.dumps(cost), (word, cost))[0]
            models.append(f'    model("{name}", {number(window)}, {number(output)}, {flags}, {paid}),\n')
        models.append("]);\n")
    prices = [PRICES_HEAD, "\n// The positions of prices: first those in PLAIN, then those in GRADED.\n"]
    for at, (word, _) in enumerate((*plain.values(), *graded.values())):
        prices.append(f"pub(super) const {word}: u16 = {at};\n")
    for what, list_name, known in (
        ("without tiers and services. They contain no address, so they cost no memory before they are read.", "PLAIN", plain),
        ("with tiers or services.", "GRADED", graded),
    ):
        prices.append(f"\n/// Prices {what}\npub(in crate::catalogue) static {list_name}: [Price; {len(known)}] = [\n")
        prices.extend(render_price(cost) for _, cost in known.values())
        prices.append("];\n")
    return {MODELS: "".join(models), PRICES: "".join(prices)}


def main(arguments):
    check = "--check" in arguments
    paths = [a for a in arguments if not a.startswith("-")]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    data = {name: (Path(paths[0]) / name).read_bytes() for name in SOURCES}
    for name, (package, version, _, expected) in SOURCES.items():
        if (digest := hashlib.sha256(data[name]).hexdigest()) != expected:
            print(f"{name} is not the table of {package} {version}: its SHA-256 is {digest}", file=sys.stderr)
            return 1
    table = json.loads(data["litellm.json"], parse_float=Decimal, parse_int=Decimal)
    on = date.fromisoformat(SOURCES["genai_prices.py"][2])
    others = genai_prices.read(data["genai_prices.py"].decode(), on)
    found = {kind: entries(table, kind, prefixes) for kind, prefixes in PROVIDERS.items()}
    found |= {kind: routed(rows) for kind, rows in others.items()}
    found["Bedrock"] = without_repeats(found["Bedrock"])
    for path, text in render(dict(sorted(found.items()))).items():
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.name} is not what the tables give: run `make catalogue`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
