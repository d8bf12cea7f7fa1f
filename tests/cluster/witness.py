"""A client that uses a gateway all the time, while faults happen around it."""

import threading

PACE_SECONDS = 0.02
JOIN_SECONDS = 60


class Witness:
    """After the first reply, every request must be answered, and no sequence may be lower than the one before.

    Checks from its own thread as long as the block lasts. Failures are raised at the end.
    """

    def __init__(self, gateway):
        self.gateway = gateway
        self.words, self.sequences, self.wrong = [], [], []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.done.set()
        self.thread.join(JOIN_SECONDS)
        if kind is None:
            assert self.wrong == [] and len(self.words) > 0, self.wrong

    def look(self):
        while not self.done.wait(PACE_SECONDS) and len(self.wrong) < 10:
            try:
                self.look_once()
            except Exception as error:  # noqa: BLE001
                self.wrong.append(repr(error))

    def look_once(self):
        status, answer = self.gateway.chat()
        if status != 200:
            self.wrong.append((status, answer))
            return
        word = answer["choices"][0]["message"]["content"]
        if not self.words or self.words[-1] != word:
            self.words.append(word)
        sequence = self.gateway.sequence()
        before = self.sequences[-1] if self.sequences else 0
        if sequence < before:
            self.wrong.append(f"sequence {sequence} after {before}")
        elif sequence != before:
            self.sequences.append(sequence)
