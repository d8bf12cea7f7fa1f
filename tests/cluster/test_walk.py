"""`make demo` shows what it promises."""

from walk import Walk


def test_the_walk(outrigger):
    lines = []
    Walk(outrigger, lines.append).all()
    output = "\n".join(lines)
    assert "Hello from anthropic." in output and "402 budget_exceeded" in output and "opnai" in output
