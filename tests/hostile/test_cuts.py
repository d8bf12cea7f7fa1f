"""A response that is cut at every byte, whole and as a stream, from every dialect to every dialect.

Whatever is missing, the caller gets an error with a status, or an error event, and never an invented end.
"""

import threading

import pytest

from answers import ENDS, LOSSES, STREAM, WHOLE, request
from conftest import DIALECTS
from rows import check
from upstream import Upstream, whole
from wire import Connection


def chunked(body):
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def cut(connection, request):
    """Sends the response up to the byte in the model's name: `cut_openai_stream_17_`."""
    dialect, kind, at = (request.line + request.body.decode()).split("cut_")[1].split("_")[:3]
    connection.sendall(ANSWERS[dialect, kind][: int(at)])


ANSWERS = {(dialect, "whole"): whole(WHOLE[dialect]) for dialect in DIALECTS} | {
    (dialect, "stream"): chunked(STREAM[dialect]) for dialect in DIALECTS
}


@pytest.fixture(scope="module")
def upstream():
    upstream = Upstream(cut)
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(start, upstream):
    return start(**{dialect: upstream.url for dialect in DIALECTS})


def complete(dialect, kind):
    """The number of bytes from which on the response is complete."""
    answer = ANSWERS[dialect, kind]
    if kind == "whole":
        return len(answer)
    # A stream is complete with its last event, even if the connection breaks after it.
    return answer.rindex(b"\n\n") + 2


def response_of(connection, caller, upstream, kind, at):
    connection.send(request(caller, f"{upstream}/cut_{upstream}_{kind}_{at}_", kind == "stream"))
    return connection.response()


def wrong(caller, upstream, kind, at, answer):
    """What is wrong with the caller's response, in a word."""
    if answer is None:
        return "nothing"
    status, headers, body = answer
    whole_there = at >= complete(upstream, kind)
    if kind == "whole":
        return None if (status == 200) == whole_there and (status in (200, 502)) else f"{status}"
    if status == 502:
        return "502 though all of it was there" if whole_there else None
    if status != 200:
        return f"{status}"
    ended, lost = ENDS[caller] in body, LOSSES[caller] in body
    if whole_there:
        return None if ended and not lost else f"no end: {body[-300:]!r}"
    # After the reason for the end, a lost rest is no error.
    reasons = (b'"finish_reason": "stop"', b'"stop_reason": "end_turn"', b'"finishReason": "STOP"')
    complete_end = any(reason in ANSWERS[upstream, kind][:at] for reason in reasons)
    return None if lost or complete_end else f"neither an end nor a loss: {body[-300:]!r}"


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_byte(watched, kind, dialect):
    """Every byte for a caller of the same dialect, every third for the others."""
    cuts = [
        (caller, at)
        for caller in DIALECTS
        for at in range(0, len(ANSWERS[dialect, kind]) + 1)
        if caller == dialect or at % 3 == 0 or at == len(ANSWERS[dialect, kind])
    ]
    local = threading.local()

    def problem(one):
        caller, at = one
        if getattr(local, "connection", None) is None or local.connection.ended:
            local.connection = Connection(watched.clients, 300)
        failure = wrong(caller, dialect, kind, at, response_of(local.connection, caller, dialect, kind, at))
        return failure and f"{dialect} to {caller}, {kind}, cut at {at}: {failure}"

    check(cuts, problem)
