"""The committed definitions of our kinds."""

import re

from gateway import REPOSITORY

FOLDER = REPOSITORY / "crds" / "yaml"


def files():
    """(name, text) of each."""
    for file in sorted(FOLDER.glob("*.yaml")):
        text = file.read_text()
        yield re.search(r"^  name: (\S+)$", text, re.MULTILINE)[1], text
