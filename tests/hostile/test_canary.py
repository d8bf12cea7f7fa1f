"""No secret of any kind of credential gets out: into an answer, the log at its highest level, a metric, a record or the
policy's page. Providers and token servers quote what they get."""

import base64
import json

import pytest
from canary import WORD, check, leaks
from clouds import SESSION, Clouds
from gateway import REPOSITORY, Gateway

MODEL = [{"name": "*"}]
KEYS = {
    "api": f"sk-{WORD}-0123456789abcdef",
    "access": f"aws_access_key_id = AKIDFIXED\naws_secret_access_key = {SESSION['secret']}\n"
    f"aws_session_token = {SESSION['token']}\n",
    "application": f"Q~{WORD}+/= 0123456789",
    "account": (REPOSITORY / "sidecar/tests/keys/service-account.json").read_text(),
}
# A part of the account's key, in which no word fits.
ACCOUNT_PART = json.loads(KEYS["account"])["private_key"].splitlines()[8][:24]


def token(audience):
    """A projected token. Its signature holds the canary: the claims are in Base64, and so is it then."""
    part = lambda data: base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")  # noqa: E731
    return f"e30.{part(json.dumps({'aud': [audience]}))}.{WORD}c2ln"


def providers(address):
    """Provider -> its type, what it says of its cloud, and its Secret's key."""
    here = f"http://{address}"
    entra = {"tenantId": "contoso.onmicrosoft.com", "clientId": "11111111-2222-3333-4444-555555555555", "authority": here}
    vertex = {"project": "my-project-123", "location": "europe-west4", "tokenEndpoint": here}
    bedrock = {"region": "eu-central-1"}
    return {
        "openai": ("OpenAICompatible", {}, "api"),
        "anthropic": ("Anthropic", {}, "api"),
        "gemini": ("Gemini", {}, "api"),
        "azure": ("AzureOpenAI", {"azure": {}}, "api"),
        "entra": ("AzureOpenAI", {"azure": {"entra": entra}}, "application"),
        "entra-pod": ("AzureOpenAI", {"azure": {"entra": entra}}, None),
        "vertex": ("VertexAI", {"vertex": vertex}, "account"),
        "vertex-pod": ("VertexAI", {"vertex": {"project": "my-project-123", "location": "us", "workloadIdentity": {}}}, None),
        "bedrock": ("Bedrock", {"bedrock": bedrock}, "access"),
        "bedrock-api": ("Bedrock", {"bedrock": bedrock}, "api"),
        "bedrock-role": (
            "Bedrock",
            {"bedrock": bedrock | {"tokenEndpoint": f"{here}/sts", "workloadIdentity": {"roleArn": "arn:aws:iam::123456789012:role/llm"}}},
            None,
        ),
        "bedrock-agent": ("Bedrock", {"bedrock": bedrock | {"workloadIdentity": {}}}, None),
    }


@pytest.fixture(scope="module")
def clouds():
    with Clouds() as clouds:
        yield clouds


@pytest.fixture(scope="module")
def gateway(clouds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    objects = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "all"}, "stringData": KEYS}]
    for name, (kind, cloud, key) in providers(clouds.address).items():
        spec = {"type": kind, "endpoint": f"http://{clouds.address}/{name}", "models": MODEL, **cloud}
        spec["retry"] = {"maxAttempts": 1}
        if key:
            spec["credentials"] = [{"name": "main", "secretRef": {"name": "all", "key": key}}]
        objects.append(
            {"apiVersion": "outrigger.dev/v1alpha1", "kind": "LLMProvider", "metadata": {"name": name}, "spec": spec}
        )
    objects.append(
        {"apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey", "metadata": {"name": "app"}, "spec": {}}
    )
    for number, one in enumerate(objects):
        (folder / f"{number}.json").write_text(json.dumps(one))
    pod = folder.parent / "token"
    pod.write_text(token("sts.amazonaws.com"))
    variables = {
        "OUTRIGGER_LOG": "trace",
        "OUTRIGGER_IDENTITY_TOKEN_FILE": str(pod),
        "GCE_METADATA_HOST": clouds.address,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{clouds.address}/agent",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(pod),
    }
    # Its end searches the log and the pages, and each answer is searched as it comes.
    with Gateway(folder, **variables) as gateway:
        yield gateway
        log = gateway.log.read_text(errors="replace")
        assert "INFO outrigger_sidecar::policies" in log, "the log has only warnings"
        assert ACCOUNT_PART not in log + "".join(gateway.pages().values())


def asks(gateway, name, stream):
    body = {"model": f"{name}/m", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
    return gateway.ask("/v1/chat/completions", body)


def test_the_search_finds_a_secret_in_every_form():
    secret = f"sk-{WORD}-0123456789"
    for before in ["", "a", "ab", "abc"]:
        for form in (
            before + secret,
            base64.b64encode((before + secret).encode()).decode(),
            base64.urlsafe_b64encode((before + secret).encode()).decode(),
            (before + secret).encode().hex(),
        ):
            assert list(leaks(f"told: {form}.")), form
    with pytest.raises(AssertionError, match="in the log"):
        check("the log", secret)


def test_credentials_are_used_and_nobody_is_told_them(gateway, clouds):
    clouds.refuses = None
    for name in providers(clouds.address):
        status, _, text = asks(gateway, name, stream=False)
        assert status == 200, f"{name}: {text}"
    assert clouds.called == set(providers(clouds.address)), "not every provider got a credential with the canary"
    assert clouds.proved >= {"agent with the canary", "sts with the canary", "token with the canary"}, clouds.proved


# 401 last: the credential rests then.
@pytest.mark.parametrize("status", [400, 404, 429, 500, 403, 401])
def test_refusals_that_quote_a_credential_are_masked(gateway, clouds, status):
    clouds.refuses = status
    for name in providers(clouds.address):
        for stream in (False, True):
            told, _, text = asks(gateway, name, stream)
            assert told >= 400, f"{name}: {text}"
