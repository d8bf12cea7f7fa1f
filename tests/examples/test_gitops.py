"""examples/gitops: the page's commands on this machine; tests/chart has those for a cluster."""

import re

from gateway import REPOSITORY, Gateway
from page import play

EXAMPLE = REPOSITORY / "examples" / "gitops"


def test_the_page():
    with Gateway(EXAMPLE / "objects") as gateway:
        assert play((EXAMPLE / "README.md").read_text(), gateway, REPOSITORY) == 3


def test_the_application_uses_the_sdks_variables():
    """With the page's body, at the variable that the operator sets."""
    app = (EXAMPLE / "objects/app.yaml").read_text()
    (body,) = re.findall(r"--post-data '(.*?)'", app)
    assert body in (EXAMPLE / "README.md").read_text()
    assert '"OPENAI_BASE_URL", "/v1"' in (REPOSITORY / "crates/llm/src/capture.rs").read_text() and "$OPENAI_BASE_URL/chat" in app
