"""A typical application: the OpenAI SDK without key and address. It knows nothing of a gateway.

    ask [MODEL]       one request; prints the reply, or the error's status and type
    keep [SECONDS]    requests forever, a line for each reply: what `make cluster` runs
"""

import signal
import sys
import threading

import openai


client = openai.OpenAI(max_retries=0)
# The first process of a container needs a handler for SIGTERM. Otherwise it is killed later, and its gateway with it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def ask(model):
    try:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    except openai.APIStatusError as error:
        return f"{error.status_code} {error.body.get('type') if isinstance(error.body, dict) else error.message}"
    except openai.APIConnectionError:
        return "nobody answers"
    return answer.choices[0].message.content


match sys.argv[1:]:
    case ["ask", *rest]:
        print(ask(rest[0] if rest else "gpt-4o"))
    case ["keep", *rest]:
        pace = threading.Event()
        while True:
            print(ask("gpt-4o"), flush=True)
            pace.wait(float(rest[0]) if rest else 5)
