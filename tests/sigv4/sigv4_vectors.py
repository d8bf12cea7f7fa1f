"""Requests, and what botocore signs for them: the cases of sidecar/src/upstream/auth/sigv4/vectors.json.

`.cache/venv/boto3/bin/python tests/sigv4/sigv4_vectors.py --write` writes them again. `make test-clients` compares.
The keys are from AWS's documentation and open nothing.
"""

import datetime
import json
import pathlib
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session

FILE = pathlib.Path(__file__).parents[2] / "sidecar/src/upstream/auth/sigv4/vectors.json"

KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
SESSION = ("ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==")
TIMES = ["2026-12-01T04:17:38", "2015-08-30T12:36:00", "2028-02-29T23:59:59"]

MODELS = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.amazon.nova-2-lite-v1:0",
    "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-70b-instruct-v1:0",
    "arn:aws:sagemaker:us-west-2:123456789012:endpoint/my endpoint",
    "plain",
    "with.dots..and---dashes_and~tilde",
    "100%25",
    "percent%3Aencoded",
    "a/b/c",
    "question?mark#hash",
    "plus+and&and=equals",
    "semi;colon,comma",
    "(brackets)[square]{curly}",
    "quote'double\"back`tick",
    "space  two",
    "über-modell",
    "モデル",
    "emoji-😀",
    "e\u0301-combined",
]

HEADERS = [
    {},
    {"Content-Type": "application/json"},
    {"Content-Type": "application/json", "X-Amzn-Bedrock-Trace": "ENABLED"},
    {"Content-Type": "text/plain;   charset=utf-8", "X-Amz-Meta": "  spaces   inside   "},
    {"X-Amzn-Bedrock-GuardrailIdentifier": "gr-1", "X-Amzn-Bedrock-GuardrailVersion": "DRAFT"},
]

# Method, path and query, body.
OTHERS = [
    ("GET", "/", b""),
    ("GET", "/foundation-models", b""),
    ("GET", "/foundation-models?byProvider=anthropic&byOutputModality=TEXT", b""),
    ("GET", "/inference-profiles?typeEquals=SYSTEM_DEFINED&maxResults=100", b""),
    ("GET", "/x?b=2&a=1&a=0&A=3", b""),
    ("GET", "/x?empty=&none", b""),
    ("GET", "/x?a=%20&b=%2F&c=%E3%83%A2&d=~-._", b""),
    ("GET", "/x?%C3%BC=1&z=%3D%26", b""),
    ("GET", "/x?a-b=1&a=2&a.b=3", b""),
    ("POST", "/trailing/", b"{}"),
    ("POST", "/two//slashes///here", b"{}"),
    ("POST", "/a/./b/../c", b"{}"),
    ("POST", "/model/x%2Fy/invoke", b""),
    ("POST", "/model/x%252Fy/invoke", b"{}"),
    ("POST", "/model/*/invoke", b"{}"),
    ("POST", "/model/a@b/invoke", b"{}"),
    ("PUT", "/x", "ümläut 😀".encode()),
    ("DELETE", "/x", b""),
    ("POST", "/x", bytes(range(256))),
    ("POST", "/x", b"x" * 300_000),
]


def by_model(model: str, stream: bool, region: str) -> tuple[str, bytes]:
    """The path and body that botocore's client sends for a model."""
    seen = []
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    client = Session().create_client(
        "bedrock-runtime",
        region_name=region,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        endpoint_url=f"https://bedrock-runtime.{region}.amazonaws.com",
        config=config,
    )

    class Seen(Exception):
        pass

    def note(request, **_):
        seen.append(request)
        raise Seen

    client.meta.events.register("before-send.bedrock-runtime.*", note)
    message = {"role": "user", "content": [{"text": f"Hi {model}"}]}
    call = client.converse_stream if stream else client.converse
    try:
        call(modelId=model, messages=[message])
    except Seen:
        pass
    [request] = seen
    return request.url.split("amazonaws.com", 1)[1], request.body


def signed(method, target, headers, body, keys, region, time) -> dict:
    """A request, and its signature by botocore."""
    now = datetime.datetime.fromisoformat(time)
    botocore.auth.get_current_datetime = lambda: now
    host = f"bedrock-runtime.{region}.amazonaws.com"
    request = AWSRequest(method=method, url=f"https://{host}{target}", headers=dict(headers), data=body)
    botocore.auth.SigV4Auth(Credentials(*keys), "bedrock", region).add_auth(request)
    return {
        "method": method,
        "target": target,
        "headers": {"Host": host, **headers},
        "body": body.hex() if len(body) < 1000 else f"{len(body)} times {body[:1].hex()}",
        "keys": keys,
        "region": region,
        "time": time + "Z",
        "authorization": request.headers["Authorization"],
    }


def vectors() -> list[dict]:
    regions = ["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1"]
    cases = []
    for index, model in enumerate(MODELS):
        region = regions[index % len(regions)]
        target, body = by_model(model, index % 2 == 1, region)
        headers = {"Content-Type": "application/json", **HEADERS[index % len(HEADERS)]}
        keys, time = (KEY, SESSION)[index % 2], TIMES[index % len(TIMES)]
        cases.append({"model": model, **signed("POST", target, headers, body, keys, region, time)})
    for index, (method, target, body) in enumerate(OTHERS):
        for keys in (KEY, SESSION):
            headers = HEADERS[(index + len(keys[0])) % len(HEADERS)]
            region, time = regions[index % len(regions)], TIMES[index % len(TIMES)]
            cases.append(signed(method, target, headers, body, keys, region, time))
    return cases


def text() -> str:
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in vectors())
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text())
    else:
        sys.stdout.write(text())
