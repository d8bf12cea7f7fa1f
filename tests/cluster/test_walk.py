"""`make demo` shows what it says."""

from walk import Walk


def test_the_walk(outrigger):
    told = []
    Walk(outrigger, told.append).all()
    said = "\n".join(told)
    assert "Hello from anthropic." in said and "402 budget_exceeded" in said and "opnai" in said
