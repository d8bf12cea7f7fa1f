"""Pictures, documents and sound from unmodified SDKs reach each provider byte for byte, in its own API's form."""

import random
import re
from base64 import b64encode

import pytest
from recording import APIS, recorded_gateway
from test_clients import HERE, command, once, report

# Every byte occurs, and none of it is text.
NOISE = random.Random(13).randbytes(4096) + bytes(range(256))
PICTURE, DOCUMENT, SOUND = b"\x89PNG\r\n\x1a\n" + NOISE, b"%PDF-1.7\n" + NOISE, b"RIFF\x24\x11\0\0WAVEfmt " + NOISE
FILES = {"picture.png": PICTURE, "document.pdf": DOCUMENT, "sound.wav": SOUND}

# SDK -> the questions that reach the providers, and what the gateway must refuse before it asks one.
SDKS = {
    "openai": (
        ["picture", "document", "response_picture", "response_document"],
        ["edit", "translation", "upload", "files", "content", "deletion"],
    ),
    "anthropic": (["picture", "document"], ["upload", "files", "content"]),
    "google": (["picture", "document"], ["upload", "files"]),
}
# A recording is told only in the API that the caller speaks.
SOUNDS = {"openai": "openai", "google": "gemini"}
# What only OpenAI has.
OPERATIONS = ["generation", "speech", "transcription"]


def text(data):
    return b64encode(data).decode()


def url(kind, data):
    return {"url": f"data:{kind};base64,{text(data)}"}


def source(kind, data):
    return {"type": "base64", "media_type": kind, "data": text(data)}


def inline(kind, data):
    return {"inlineData": {"mimeType": kind, "data": text(data)}}


# How each API writes them: all fields, so that none of another API is among them.
FORMS = {
    "openai": {
        "picture": {"type": "image_url", "image_url": url("image/png", PICTURE)},
        "document": {"type": "file", "file": {"file_data": url("application/pdf", DOCUMENT)["url"]}},
        "sound": {"type": "input_audio", "input_audio": {"data": text(SOUND), "format": "wav"}},
    },
    "anthropic": {
        "picture": {"type": "image", "source": source("image/png", PICTURE)},
        "document": {"type": "document", "source": source("application/pdf", DOCUMENT)},
    },
    "gemini": {
        "picture": inline("image/png", PICTURE),
        "document": inline("application/pdf", DOCUMENT),
        "sound": inline("audio/wav", SOUND),
    },
}
OWN_ANSWERS = {
    "/v1/images/generations": (
        "application/json",
        b'{"created": 1, "data": [{"b64_json": "%s"}]}' % text(PICTURE).encode(),
    ),
    "/v1/audio/speech": ("audio/wav", SOUND),
    "/v1/audio/transcriptions": ("application/json", b'{"text": "Hello from the recording"}'),
}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Runs an SDK's program once: its report, and what the providers received by then."""
    folder = tmp_path_factory.mktemp("files")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    with recorded_gateway(HERE / "media", tmp_path_factory.mktemp("objects"), OWN_ANSWERS) as (gateway, recorder):

        @once
        def run(sdk):
            before = len(recorder.received)
            program, script = command(f"python/{sdk}")
            reported = report([program, script.with_name(f"{sdk}_media.py")], gateway.base, folder)
            return reported, recorder.received[before:]

        yield run


def received(requests, word):
    found = [request for request in requests if re.search(rb"\b%s\b" % word.encode(), request.body)]
    assert len(found) == 1, f"{word}: {len(found)} requests"
    return found[0]


def parts(api, body):
    """What the only turn says after its text."""
    (turn,) = body["contents"] if api == "gemini" else body["messages"]
    first, *rest = turn["parts"] if api == "gemini" else turn["content"]
    return first["text"], rest


def plain(part):
    """Without a document's name, which is told where the API has one. Google's package writes Base64 as in URLs, and
    `mime_type`, which both pass unchanged to Gemini."""
    if part.get("type") == "file":
        part["file"].pop("filename")
    part.pop("title", None)
    if data := part.get("inlineData"):
        kind = data.get("mimeType") or data.get("mime_type")
        return {"inlineData": {"mimeType": kind, "data": data["data"].translate(str.maketrans("-_", "+/"))}}
    return part


@pytest.mark.parametrize(
    ("sdk", "api", "question"),
    [(sdk, api, question) for sdk, (questions, _) in SDKS.items() for api in APIS for question in questions]
    + [(sdk, api, "sound") for sdk in SOUNDS for api in APIS],
)
def test_media_reach_each_api(media, sdk, api, question):
    reported, requests = media(sdk)
    words = f"{question} to {api}"
    assert reported[words] is None, reported[words]
    if question == "sound" and SOUNDS[sdk] != api:
        assert not [request for request in requests if words.encode() in request.body]
        return
    # OpenAI's Responses reach a provider that has them unchanged.
    if question.startswith("response_") and api == "openai":
        (turn,) = received(requests, words).json["input"]
        data = PICTURE if question.endswith("picture") else DOCUMENT
        assert text(data) in str(turn["content"][1])
        return
    told, rest = parts(api, received(requests, words).json)
    assert told == words
    assert [plain(part) for part in rest] == [FORMS[api][question.removeprefix("response_")]]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_of_openai_pass_through(media, operation):
    reported, requests = media("openai")
    assert reported[operation] is None, reported[operation]
    request = received(requests, operation)
    if operation == "transcription":
        # A form with the file's own bytes, and the model's name as the provider knows it.
        assert SOUND in request.body
        assert b'name="model"\r\n\r\nwhisper-1\r\n' in request.body
    else:
        assert request.json["model"] in ("gpt-image-1", "tts-1")


@pytest.mark.parametrize(("sdk", "name"), [(sdk, name) for sdk, (_, names) in SDKS.items() for name in names])
def test_what_is_not_served_is_refused(media, sdk, name):
    reported, _ = media(sdk)
    assert reported[name] is None, reported[name]


@pytest.mark.parametrize("sdk", SDKS)
def test_every_question_is_expected(media, sdk):
    reported, requests = media(sdk)
    asked, refused = SDKS[sdk]
    sounds = ["sound"] if sdk in SOUNDS else []
    operations = OPERATIONS if sdk == "openai" else []
    questions = [f"{question} to {api}" for question in [*asked, *sounds] for api in APIS]
    assert sorted(reported) == sorted([*questions, *operations, *refused])
    # And nothing of what was refused reached a provider.
    assert len(requests) == len(asked) * len(APIS) + len(sounds) + len(operations)
