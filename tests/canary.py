"""A word in the secrets of tests, and the search for it in everything that a gateway tells.

Gateways of the tests are searched when they end (gateway.py): whatever a test is about, it fails if a secret got out.
"""

import base64

# No text has it by chance.
WORD = "c4n4ry"


def in_base64():
    """The word as Base64, wherever it begins in what is encoded: only the digits that its own bytes decide."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + WORD.encode() + b"\0\0").decode()
        bits = before * 8, (before + len(WORD)) * 8
        yield text[-(-bits[0] // 6) : bits[1] // 6]


# Nothing in it is escaped in JSON or in a URL.
FORMS = [WORD, WORD.encode().hex(), *in_base64()]


def leaks(text):
    """Where the text tells a part of a secret."""
    lower = text.lower()
    for form in FORMS:
        at = text.find(form) if form in FORMS[2:] else lower.find(form)
        if at >= 0:
            yield f"{form}: …{text[max(0, at - 200) : at + 40]}…"


def check(place, text):
    found = list(leaks(text))
    assert not found, f"a secret is in {place}: {found}"
