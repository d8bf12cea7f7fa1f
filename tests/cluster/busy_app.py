"""An application under load that ends gracefully: it starts no new requests, and finishes the running ones.

    WORKERS      as many requests at once, half of them streamed. Says "under load" after the first answers, and at its end,
                 in a line of JSON, how all of them went
"""

import collections
import json
import signal
import sys
import threading

import openai

WORDS = "one two three four five six seven eight"
WORKERS = int(sys.argv[1])

client = openai.OpenAI(max_retries=0)
ending = threading.Event()
outcomes, lock = collections.Counter(), threading.Lock()


def ask(stream):
    arguments = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
    if not stream:
        return client.chat.completions.create(**arguments).choices[0].message.content
    chunks = client.chat.completions.create(stream=True, **arguments)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def work(stream):
    while not ending.is_set():
        try:
            outcome = "answered" if ask(stream) == WORDS else "in part"
        except openai.OpenAIError as error:
            outcome = repr(error)
        with lock:
            outcomes[outcome] += 1
            # It began before the signal.
            outcomes["across the end"] += ending.is_set()
            if outcomes.total() == 2 * WORKERS:
                print("under load", flush=True)


signal.signal(signal.SIGTERM, lambda *_: ending.set())
workers = [threading.Thread(target=work, args=[number % 2 == 0]) for number in range(WORKERS)]
for worker in workers:
    worker.start()
# Waits in a way that handles signals.
for worker in workers:
    while worker.is_alive():
        worker.join(1)
print(json.dumps(outcomes), flush=True)
