"""Reads the prices of OpenRouter's and Hugging Face's models from the package `genai-prices`.

Its table is Python source: constructor calls with literals. It is parsed here, and never run. `read` returns rows with
LiteLLM's names of fields, so that scripts/catalogue.py treats them like others.
"""

import ast
from datetime import date
from decimal import Decimal

# The table's field -> LiteLLM's.
FIELDS = {
    "input_mtok": "input_cost_per_token",
    "output_mtok": "output_cost_per_token",
    "cache_read_mtok": "cache_read_input_token_cost",
    "cache_write_mtok": "cache_creation_input_token_cost",
    "cache_write_1h_mtok": "cache_creation_input_token_cost_above_1hr",
    "output_reasoning_mtok": "output_cost_per_reasoning_token",
    "input_audio_mtok": "input_cost_per_audio_token",
    "output_audio_mtok": "output_cost_per_audio_token",
}


def value(node):
    """A literal; a call as a pair of its name and its arguments."""
    match node:
        case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=text)]):
            return Decimal(text)
        case ast.Call(func=ast.Attribute(attr="date"), args=args):
            return date(*(arg.value for arg in args))
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name, {word.arg: value(word.value) for word in node.keywords}
        case ast.List() | ast.Tuple():
            return [value(item) for item in node.elts]
        case ast.Constant():
            return node.value
    return None


def names(identity, match):
    """The names that a model is called by."""
    kind, what = match
    if kind == "ClauseOr":
        return [identity, *(each["equals"] for kind, each in what["or_"] if kind == "ClauseEquals")]
    return [identity]


def in_force(prices, on):
    """The prices on a day; None if they also depend on something else."""
    if isinstance(prices, tuple):
        return prices[1]
    now = None
    for _, each in prices:
        constraint = each.get("constraint")
        if constraint is not None and constraint[0] != "StartDateConstraint":
            return None
        if constraint is None or constraint[1]["start_date"] <= on:
            now = each["prices"][1]
    return now


def row(name, prices, window):
    """A row with LiteLLM's names; None without a price."""
    if any(field not in FIELDS and not field.startswith("web_search") for field in prices):
        return None  # billed by something else, too
    if name.endswith(":free"):
        prices = {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}
    found = {"mode": "chat", "max_input_tokens": Decimal(window or 0)}
    for field, amount in prices.items():
        if (known := FIELDS.get(field)) is None:
            continue
        base, tiers = (amount[1]["base"], amount[1]["tiers"]) if isinstance(amount, tuple) else (amount, [])
        found[known] = base / 10**6
        for _, tier in tiers:
            found[f"{known}_above_{tier['start'] // 1000}k_tokens"] = tier["price"] / 10**6
    return found


def read(source, on):
    """Provider type -> model -> row."""
    tree = ast.parse(source)
    lists = [node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "providers"]
    found = {"HuggingFace": {}, "OpenRouter": {}}
    for _, provider in map(value, lists[0].elts):
        of, _, host = provider["id"].partition("_")
        if of not in ("huggingface", "openrouter"):
            continue
        for _, model in provider["models"]:
            prices = in_force(model["prices"], on)
            every = names(model["id"], model["match"]) if of == "openrouter" else [model["id"]]
            for name in every:
                # OpenRouter's names begin with an author. Hugging Face's router takes the provider as a suffix.
                if prices is None or "/" not in name:
                    continue
                name = f"{name}:{host}" if host else name
                if (priced := row(name, prices, model.get("context_window"))) is not None:
                    found["HuggingFace" if host else "OpenRouter"].setdefault(name, priced)
    return found
