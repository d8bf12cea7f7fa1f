"""Starts the fake Amazon Bedrock (sigv4/fake_bedrock.py), which checks signatures with botocore."""

import subprocess
from contextlib import contextmanager

from gateway import REPOSITORY

# It and boto3 itself.
PYTHON = REPOSITORY / ".cache/venv/boto3/bin/python"


@contextmanager
def fake_bedrock():
    """Its port."""
    program = [PYTHON, REPOSITORY / "tests/sigv4/fake_bedrock.py"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()
