"""A provider of type Bedrock, in front of a server that compares each signature with botocore's: each kind of key, for
callers of several APIs."""

import base64
import json

import pytest
from bedrock import fake_bedrock
from gateway import Gateway

CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "eu.amazon.nova-pro-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"

# How the gateway gets its key -> what the provider's object says, and who signs then.
KEYS = {
    "access-key": ('credentials: [{name: main, secretRef: {name: aws, key: access}}]', "{}", "AKIDFIXED"),
    "api-key": ('credentials: [{name: main, secretRef: {name: aws, key: api}}]', "{}", "the API key"),
    "role": ("", '{roleArn: "arn:aws:iam::123456789012:role/llm"}', "ASIAROLE"),
    "agent": ("", "{}", "ASIAAGENT"),
}

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: aws}
stringData:
  api: ABSKc4n4ryQmVkcm9ja0FQSUtleS0xMjM0NTY=
  access: |
    [default]
    aws_access_key_id = AKIDFIXED
    aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+c4n4ryEXAMPLEKEY
  wrong: |
    aws_access_key_id = AKIDFIXED
    aws_secret_access_key = another
"""


def provider(name, port, credentials, identity=None):
    sts = f', tokenEndpoint: "http://127.0.0.1:{port}/sts"'
    identity = f", workloadIdentity: {identity}" if identity else ""
    return f"""
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {{name: {name}}}
spec:
  type: Bedrock
  endpoint: "http://127.0.0.1:{port}"
  bedrock: {{region: eu-central-1{sts}{identity}}}
  {credentials}
  models: [{{name: "*"}}]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bedrock")
    claims = base64.urlsafe_b64encode(json.dumps({"aud": ["sts.amazonaws.com"]}).encode()).decode().rstrip("=")
    token = folder / "token"
    token.write_text(f"e30.{claims}.c4n4ryc2ln")
    with fake_bedrock() as port:
        objects = [SECRET]
        for name, (credentials, identity, _) in KEYS.items():
            objects.append(provider(name, port, credentials, None if credentials else identity))
        wrong = "credentials: [{name: main, secretRef: {name: aws, key: wrong}}]"
        objects.append(provider("wrong", port, wrong))
        objects.append("apiVersion: outrigger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {name: app}\nspec: {}\n")
        policy = folder / "policy"
        policy.mkdir()
        (policy / "objects.yaml").write_text("\n---\n".join(objects))
        variables = {
            "OUTRIGGER_IDENTITY_TOKEN_FILE": str(token),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/agent",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        }
        with Gateway(policy, **variables) as gateway:
            yield gateway


def openai(gateway, model, stream):
    question = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Grüße"}]}
    status, _, text = gateway.ask("/v1/chat/completions", question)
    assert status == 200, text
    if not stream:
        return json.loads(text)["choices"][0]["message"]["content"]
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]", text
    chunks = [json.loads(line) for line in data[:-1]]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def anthropic(gateway, model, stream):
    question = {"model": model, "stream": stream, "max_tokens": 9, "messages": [{"role": "user", "content": "Grüße"}]}
    status, _, text = gateway.ask("/v1/messages", question)
    assert status == 200, text
    if not stream:
        return json.loads(text)["content"][0]["text"]
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1]["type"] == "message_stop", text
    return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", [NOVA, CLAUDE, ARN])
@pytest.mark.parametrize("caller", [openai, anthropic])
@pytest.mark.parametrize("key", KEYS)
def test_every_kind_of_key_signs_for_every_caller(gateway, key, caller, model, stream):
    assert caller(gateway, f"{key}/{model}", stream) == f"{model} for {KEYS[key][2]}"


def test_usage_and_price_are_known(gateway):
    openai(gateway, f"access-key/{NOVA}", True)
    record = gateway.decisions(1)[0]
    assert (record["tokens"]["input"], record["tokens"]["output"]) == (3, 5), record
    assert float(record["cost_usd"]) > 0, record


def test_a_wrong_key_is_a_refused_credential(gateway):
    question = {"model": f"wrong/{NOVA}", "messages": [{"role": "user", "content": "x"}]}
    status, _, text = gateway.ask("/v1/chat/completions", question)
    error = json.loads(text)["error"]
    assert (status, error["type"]) == (502, "upstream_credentials_exhausted"), text
    assert "another" not in text, text


def test_a_throttled_request_is_limited(gateway):
    question = {"model": "access-key/limited-bedrock", "messages": [{"role": "user", "content": "x"}]}
    status, _, text = gateway.ask("/v1/chat/completions", question)
    assert status == 429, text
