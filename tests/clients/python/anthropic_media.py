"""Pictures and documents with the anthropic package."""

from base64 import b64encode

import anthropic
from media import BASE, DOCUMENT, PICTURE, refused, report, to_each

client = anthropic.Anthropic(base_url=BASE, api_key="dummy", max_retries=0)


def source(kind, path):
    return {"type": "base64", "media_type": kind, "data": b64encode(path.read_bytes()).decode()}


def ask(model, text, block):
    content = [{"type": "text", "text": text}, block]
    answer = client.messages.create(model=model, max_tokens=64, messages=[{"role": "user", "content": content}])
    return answer.content[0].text


to_each(
    ask,
    {
        "picture": ({"type": "image", "source": source("image/png", PICTURE)}, {}),
        "document": ({"type": "document", "source": source("application/pdf", DOCUMENT)}, {}),
    },
)


def not_here(call):
    """What the gateway does not serve is refused, and does not reach the provider."""
    refused(anthropic.NotFoundError, 404, "", call)


for name, call in {
    "upload": lambda: client.beta.files.upload(file=DOCUMENT),
    "files": lambda: list(client.beta.files.list()),
    "content": lambda: client.beta.files.download("file_1"),
}.items():
    report(name, not_here, call)
