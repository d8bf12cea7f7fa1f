import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]


@pytest.fixture
def objects(tmp_path):
    """A mock with a price and a budget, so that every served request is visible."""
    def of(kind, name, **spec):
        return {"apiVersion": "outrigger.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    mock = of("LLMProvider", "mock", type="Mock", mock={"reply": "Hello from the mock"}, models=[{"name": "m"}])
    key = of("VirtualKey", "app", providers=[{"name": "mock"}])
    for at, one in enumerate([mock, key]):
        (tmp_path / f"{at}.json").write_text(json.dumps(one))
    return tmp_path
