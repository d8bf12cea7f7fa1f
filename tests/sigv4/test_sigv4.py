"""What the gateway's signatures are compared with is what botocore signs today."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[2]


def test_the_vectors_are_those_of_botocore():
    python = ROOT / ".cache/venv/boto3/bin/python"
    made = subprocess.run([python, "tests/sigv4/sigv4_vectors.py"], cwd=ROOT, check=True, capture_output=True, text=True)
    kept = (ROOT / "sidecar/src/upstream/auth/sigv4/vectors.json").read_text()
    assert made.stdout == kept, "write them again: .cache/venv/boto3/bin/python tests/sigv4/sigv4_vectors.py --write"
