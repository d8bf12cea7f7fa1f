"""Pictures, documents and sound with the google-genai package."""

from functools import partial

from google import genai
from google.genai import errors, types
from media import BASE, DOCUMENT, PICTURE, SOUND, refused, report, to_each

client = genai.Client(api_key="dummy", http_options=types.HttpOptions(base_url=BASE))


def ask(model, text, part):
    return client.models.generate_content(model=model, contents=[types.Part(text=text), part]).text


def part(kind, path):
    return types.Part.from_bytes(data=path.read_bytes(), mime_type=kind)


no_audio = partial(refused, errors.ClientError, 400, "audio")
to_each(
    ask,
    {
        "picture": (part("image/png", PICTURE), {}),
        "document": (part("application/pdf", DOCUMENT), {}),
        "sound": (part("audio/wav", SOUND), {"openai": no_audio, "anthropic": no_audio}),
    },
)


def not_here(call):
    """What the gateway does not serve is refused, and does not reach the provider."""
    refused(errors.ClientError, 404, "", call)


for name, call in {
    "upload": lambda: client.files.upload(file=DOCUMENT),
    "files": lambda: list(client.files.list()),
}.items():
    report(name, not_here, call)
