"""The ollama package with its own types, which ignore what they do not name."""

import ollama
from ollama import ChatResponse, EmbedResponse
from replies import BASE, post, run
from strict import checked

client = ollama.Client(host=BASE, timeout=60)
FINISHES = {"stop": "stop", "length": "length", "content_filter": "filtered"}
# Ollama itself sends them, although the package's types do not name them.
SENT = [
    f"ChatResponse.message.tool_calls[{n}].{name}" for n in range(16) for name in ("id", "function.index")
]  # fmt: skip
ASKED = [{"role": "user", "content": "Say what you said."}]


def raw(model, stream):
    return post("/api/chat", {"model": model, "messages": ASKED, "stream": stream})


def joined(lines):
    """What an application puts together."""
    text, thought, calls = "", "", []
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True], lines
    for line in lines:
        assert line.message.role == "assistant" and line.created_at, line
        text += line.message.content or ""
        thought += line.message.thinking or ""
        calls += [[call.function.name, call.function.arguments] for call in line.message.tool_calls or []]
    last = lines[-1]
    # Calls are no reason of their own.
    finish = FINISHES[last.done_reason]
    finish = "tools" if calls and finish == "stop" else finish
    return text, thought, calls, [last.prompt_eval_count or 0, last.eval_count or 0], finish


def whole(model):
    answer = joined([checked(ChatResponse, raw(model, False), SENT)])
    assert answer == joined([client.chat(model=model, messages=ASKED)])
    return answer


def streamed(model):
    answer = joined([checked(ChatResponse, line, SENT) for line in raw(model, True).splitlines()])
    assert answer == joined(list(client.chat(model=model, messages=ASKED, stream=True)))
    return answer


def vectors(model, count):
    asked = {"model": model, "input": ["text"] * count}
    answer = checked(EmbedResponse, post("/api/embed", asked))
    assert answer.embeddings == client.embed(**asked).embeddings
    return [len(vector) for vector in answer.embeddings]


run(whole, streamed, vectors)
