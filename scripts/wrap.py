#!/usr/bin/env python3
"""Wraps the prose of Markdown pages at 100 columns. Code, tables, headings and HTML stay unchanged.

    scripts/wrap.py FILE...
"""

import re
import sys
from pathlib import Path

COLUMNS = 100
MARK = re.compile(r"(\s*)([-*+]|\d+[.)])(\s+)")
FENCES = ("```", "~~~")


def words(text):
    """The words of a paragraph. Inline code is one word, whatever spaces it has."""
    return re.findall(r"(?:`[^`]*`|[^\s`])+", text)


def wrap(text, first, rest):
    lines, here = [], []
    for word in words(text):
        indent = rest if lines else first
        if here and len(f"{indent}{' '.join(here)} {word}") > COLUMNS:
            # A line must not begin with what looks like a list's mark, so the word before it moves along.
            is_mark = MARK.fullmatch(f"{word} ") or word.startswith(("#", ">"))
            moved = [here.pop()] if is_mark and len(here) > 1 else []
            lines.append(indent + " ".join(here))
            here = moved
        here.append(word)
    return [*lines, (rest if lines else first) + " ".join(here)]


def stays(line):
    text = line.strip()
    return not text or text.startswith(("#", "|", "<", ">", *FENCES)) or re.match(r"\[[^\]]+\]:", text)


def wrapped(page):
    out, lines, fence = [], page.split("\n"), None
    while lines:
        line = lines.pop(0)
        text = line.strip()
        if fence or text.startswith(FENCES):
            fence = None if fence and text.startswith(fence) else fence or text[:3]
            out.append(line)
            continue
        mark = MARK.match(line)
        indent = mark[0] if mark else line[: len(line) - len(line.lstrip())]
        is_code = not mark and len(indent) >= 4 and not (out and out[-1].strip())
        if stays(line) or line.endswith("  ") or is_code:
            out.append(line)
            continue
        text = line[len(indent) :]
        while lines and not stays(lines[0]) and not MARK.match(lines[0]):
            text += f" {lines.pop(0).strip()}"
        out += wrap(text, indent, " " * len(indent))
    return "\n".join(out)


for name in sys.argv[1:]:
    file = Path(name)
    before = file.read_text()
    after = wrapped(before)
    if after != before:
        file.write_text(after)
        print(f"wrapped {name}")
