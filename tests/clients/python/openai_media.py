"""Pictures, documents and sound with the openai package."""

from base64 import b64encode
from functools import partial

import openai
from media import BASE, DOCUMENT, PICTURE, SOUND, refused, report, to_each

client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="dummy", max_retries=0)


def url(kind, path):
    return f"data:{kind};base64,{b64encode(path.read_bytes()).decode()}"


def chat(model, text, part):
    messages = [{"role": "user", "content": [{"type": "text", "text": text}, part]}]
    return client.chat.completions.create(model=model, messages=messages).choices[0].message.content


def responses(model, text, part):
    content = [{"type": "input_text", "text": text}, part]
    return client.responses.create(model=model, input=[{"role": "user", "content": content}], store=False).output_text


no_audio = partial(refused, openai.BadRequestError, 400, "input_audio")
sound = {"type": "input_audio", "input_audio": {"data": b64encode(SOUND.read_bytes()).decode(), "format": "wav"}}
document = {"file_data": url("application/pdf", DOCUMENT), "filename": DOCUMENT.name}
to_each(
    chat,
    {
        "picture": ({"type": "image_url", "image_url": {"url": url("image/png", PICTURE)}}, {}),
        "document": ({"type": "file", "file": document}, {}),
        "sound": (sound, {"anthropic": no_audio, "gemini": no_audio}),
    },
)
to_each(
    responses,
    {
        "response_picture": ({"type": "input_image", "image_url": url("image/png", PICTURE), "detail": "auto"}, {}),
        "response_document": ({"type": "input_file", **document}, {}),
    },
)


def generation():
    answer = client.images.generate(model="openai/gpt-image-1", prompt="generation", size="1024x1024")
    assert answer.data[0].b64_json == b64encode(PICTURE.read_bytes()).decode()


def speech():
    answer = client.audio.speech.create(model="openai/tts-1", voice="alloy", input="speech")
    assert answer.read() == SOUND.read_bytes()


def transcription():
    answer = client.audio.transcriptions.create(model="openai/whisper-1", prompt="transcription", file=SOUND)
    assert answer.text == "Hello from the recording"


def not_here(call):
    """What the gateway does not serve is refused, and does not reach the provider."""
    refused(openai.NotFoundError, 404, "", call)


report("generation", generation)
report("speech", speech)
report("transcription", transcription)
for name, call in {
    "edit": lambda: client.images.edit(model="openai/gpt-image-1", prompt="edit", image=PICTURE),
    "translation": lambda: client.audio.translations.create(model="openai/whisper-1", file=SOUND),
    "upload": lambda: client.files.create(purpose="user_data", file=DOCUMENT),
    "files": client.files.list,
    "content": lambda: client.files.content("file-1"),
    "deletion": lambda: client.files.delete("file-1"),
}.items():
    report(name, not_here, call)
