"""HTTP/2 in clear text that no client should send.

A row: a name, the pieces after preface and SETTINGS, and the expected result: "200", "rst" (a stream is reset),
"goaway", "closed", several choices with "|". A refused stream leaves its connection open for the next request.
"""

import itertools
import os
import socket
import struct

import pytest

from frames import (
    ACK, BODY, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITISED, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, field, frame, request, settings, talk2, text,
)
from rows import check
from wire import Connection

ENDS = "goaway|closed|goaway closed"
OPEN = frame(HEADERS, END_HEADERS, 1, block())
WHOLE = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(method="GET", path="/v1/models"))


def number(value):
    return struct.pack(">I", value)


FRAMES = [
    ("a request", request(), "200"),
    ("two at once", request(1) + request(3), "200 200"),
    ("padded", frame(HEADERS, END_HEADERS | PADDED, 1, b"\x04" + block() + b"\0" * 4) + frame(DATA, END_STREAM | PADDED, 1, b"\x02" + BODY + b"\0\0"), "200"),
    ("a frame of a kind that nobody knows", frame(0xBE, 0xFF, 0, b"x" * 100) + request(), "200"),
    ("a frame too large", frame(DATA, 0, 1, b"x" * 20_000) + request(), ENDS),
    ("a frame of 16 MiB, announced", frame(DATA, 0, 1, b"", length=(1 << 24) - 1) + b"x" * 20_000, ENDS),
    ("DATA before HEADERS", frame(DATA, END_STREAM, 1, BODY), ENDS + "|rst"),
    ("DATA on stream 0", frame(DATA, END_STREAM, 0, BODY), ENDS),
    ("HEADERS on stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, block()), ENDS),
    ("HEADERS on an even stream", request(2), ENDS),
    ("a stream below the last", request(5) + request(3), ENDS + "|200|200 goaway|200 closed|200 goaway closed|goaway"),
    ("DATA behind the end", WHOLE + frame(DATA, END_STREAM, 1, b"x"), "200|rst|goaway|closed"),
    ("HEADERS twice", OPEN + frame(HEADERS, END_HEADERS, 1, block()), "rst|" + ENDS),
    ("trailers with a pseudo-header", OPEN + frame(DATA, 0, 1, BODY) + frame(HEADERS, END_HEADERS | END_STREAM, 1, field(":path", "/x")), "rst|200|" + ENDS),
    ("trailers", OPEN + frame(DATA, 0, 1, BODY) + frame(HEADERS, END_HEADERS | END_STREAM, 1, field("x", "y")), "200"),
    ("too much padding", frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block()), ENDS),
    ("priority on itself", frame(HEADERS, END_HEADERS | PRIORITISED, 1, number(1) + b"\0" + block()) + frame(DATA, END_STREAM, 1, BODY), "rst|200|" + ENDS),
    ("a priority loop", frame(PRIORITY, 0, 3, number(5) + b"\0") + frame(PRIORITY, 0, 5, number(3) + b"\0") + request(), "200"),
    ("PRIORITY of a wrong size", frame(PRIORITY, 0, 1, b"\0"), "rst|" + ENDS),
    ("RST_STREAM of an idle stream", frame(RST_STREAM, 0, 7, number(8)), ENDS),
    ("RST_STREAM of a wrong size", OPEN + frame(RST_STREAM, 0, 1, b"\0"), ENDS),
    ("SETTINGS on a stream", frame(SETTINGS, 0, 1), ENDS),
    ("SETTINGS of a wrong size", frame(SETTINGS, 0, 0, b"\0"), ENDS),
    ("SETTINGS that acknowledge and say", frame(SETTINGS, ACK, 0, b"\0" * 6), ENDS),
    ("SETTINGS with a window of 2^31", settings((4, 1 << 31)), ENDS),
    ("SETTINGS with a frame size of 1", settings((5, 1)), ENDS),
    ("SETTINGS with a push of 2", settings((2, 2)), ENDS),
    ("SETTINGS that nobody knows", settings((0xBEEF, 1)) + request(), "200"),
    ("PUSH_PROMISE of a client", frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + block()), ENDS),
    ("PING of a wrong size", frame(PING, 0, 0, b"x"), ENDS),
    ("PING on a stream", frame(PING, 0, 1, b"x" * 8), ENDS),
    ("WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 0, number(0)), ENDS),
    ("WINDOW_UPDATE of 0 on a stream", OPEN + frame(WINDOW_UPDATE, 0, 1, number(0)), "rst|" + ENDS),
    ("WINDOW_UPDATE beyond 2^31", frame(WINDOW_UPDATE, 0, 0, number((1 << 31) - 1)) * 2, ENDS),
    ("CONTINUATION out of place", frame(CONTINUATION, END_HEADERS, 1, block()), ENDS),
    ("CONTINUATION broken into", frame(HEADERS, 0, 1, block()) + frame(PING, 0, 0, b"x" * 8), ENDS),
    ("GOAWAY, and then a request", frame(GOAWAY, 0, 0, number(0) + number(0)) + request(), "200|" + ENDS),
]

FIELDS = [
    ("no method", block(method=None), "rst"),
    ("no path", block(path=None), "rst"),
    ("an empty path", block(path=""), "rst"),
    ("no scheme", block(scheme=None), "rst"),
    ("no authority", block(authority=None), "200|400|403|rst"),
    ("a method twice", block((":method", "GET")), "rst"),
    ("a pseudo-header behind", block(("x", "y"), (":path", "/x")), "rst"),
    ("a pseudo-header that nobody knows", block((":x", "y")), "rst|" + ENDS),
    (":status", block((":status", "200")), "rst|" + ENDS),
    ("upper case", block(("X-Upper", "y")), "rst|" + ENDS),
    ("connection", block(("connection", "close")), "rst"),
    ("transfer-encoding", block(("transfer-encoding", "chunked")), "rst"),
    ("te: gzip", block(("te", "gzip")), "rst"),
    ("an authority that is no host", block(authority="a b"), "rst|400|403"),
    ("CR LF in a value", block(("x", "a\r\ny: z")), "rst|" + ENDS),
    ("NUL in a value", block(("x", "a\0b")), "rst|" + ENDS),
    ("CR LF in the path", block(path="/v1/models\r\nx: y"), "rst|" + ENDS),
    ("a path with dots", block(path="/v1/../policy"), "404"),
    ("a length that lies", block(("content-length", "5")), "rst"),
    ("two lengths", block(("content-length", "5"), ("content-length", "6")), "rst|400"),
    ("a length that is no number", block(("content-length", "-1")), "rst|400"),
    ("CONNECT", block(method="CONNECT", path=None, scheme=None), "rst|404|405"),
    ("a head of 60 kB", block(*[("x", "y" * 1_000)] * 14), "200|431|rst"),
    ("an index that is not there", b"\xff\xff\xff\xff\x0f", ENDS),
    ("index 0", b"\x80", ENDS),
    ("a number without end", b"\xff" + b"\xff" * 100, ENDS),
    ("a string longer than its block", b"\0" + text(b"x", 100), ENDS),
    ("a table of 4 GiB", b"\x3f\xe1\xff\xff\xff\x0f" + block(), ENDS),
    ("Huffman that is none", b"\0\x81\xff\x81\xff", ENDS),
]


def flood(piece, times):
    """In pieces of about 64 kB."""
    at_once = max(1, (1 << 16) // len(piece))
    return [piece * at_once] * (times // at_once)


def streams(make, times):
    return [b"".join(make(2 * n + 1) for n in range(at, min(at + 100, times))) for at in range(0, times, 100)]


# 400: a request without a body that began before its client cancelled it.
OVER = ENDS + "|rst|rst closed|rst goaway|200|200 closed|200 goaway|200 goaway closed|400|400 closed|400 goaway|413|431"

# Each is sent whole, or until the gateway closes. The gateway may serve valid parts or end the connection; its memory
# may not grow.
FLOODS = [
    ("200,000 PINGs", flood(frame(PING, 0, 0, b"12345678"), 200_000)),
    ("200,000 SETTINGS", flood(settings((3, 100)), 200_000)),
    ("200,000 empty SETTINGS", flood(settings(), 200_000)),
    ("200,000 empty DATA", [OPEN, *flood(frame(DATA, 0, 1), 200_000)]),
    ("200,000 PRIORITYs", flood(frame(PRIORITY, 0, 1, number(3) + b"\0"), 200_000)),
    ("200,000 WINDOW_UPDATEs", flood(frame(WINDOW_UPDATE, 0, 0, number(1)), 200_000)),
    ("20,000 streams, each reset", streams(lambda n: frame(HEADERS, END_HEADERS | END_STREAM, n, block()) + frame(RST_STREAM, 0, n, number(8)), 20_000)),
    ("20,000 streams, each made to be reset", streams(lambda n: frame(HEADERS, END_HEADERS, n, block()) + frame(WINDOW_UPDATE, 0, n, number(0)), 20_000)),
    ("5,000 streams that never end", streams(lambda n: frame(HEADERS, END_HEADERS, n, block()), 5_000)),
    ("CONTINUATION without end", [frame(HEADERS, 0, 1, block()), *flood(frame(CONTINUATION, 0, 1, field("x", "y" * 1_000)), 20_000)]),
    ("empty CONTINUATION without end", [frame(HEADERS, 0, 1, block()), *flood(frame(CONTINUATION, 0, 1), 200_000)]),
    ("a bomb of one large field", [frame(HEADERS, END_HEADERS, 1, block() + field("x", "y" * 4_000, indexed=True) + b"\xbe" * 10_000)]),
    ("two hundred such bombs", streams(lambda n: frame(HEADERS, END_HEADERS, n, block() + field("x", "y" * 4_000, indexed=True) + b"\xbe" * 10_000), 200)),
    ("a window of one byte", [settings((4, 1)), b"".join(request(2 * n + 1) for n in range(100))]),
    ("a window of none", [settings((4, 0)), b"".join(request(2 * n + 1) for n in range(100))]),
    ("the window opened and shut", [request(), *flood(settings((4, 0)) + settings((4, 1 << 20)), 20_000)]),
    ("bytes of all kinds", [os.urandom(1 << 16)]),
]

PREFACES = [
    ("none", b"", frame(SETTINGS), "400|closed|goaway|"),
    ("half", PREFACE[:12], b"", "closed|goaway|400"),
    ("a wrong one", PREFACE[:-2] + b"XX", settings(), "closed|goaway|400"),
    ("twice", PREFACE + PREFACE, settings(), ENDS),
    ("no SETTINGS behind it", PREFACE, request(), ENDS),
    ("HTTP/1 behind it", PREFACE + settings(), b"GET / HTTP/1.1\r\n\r\n" * 10, ENDS),
]


def answers(expected):
    """As many as the longest choice has before the end of the connection."""
    return max(1, *(len(choice.replace("closed", "").split()) for choice in expected.split("|")))


def wrong(name, got, expected):
    return None if got in expected.split("|") else f"{name}: {got!r}, not {expected!r}"


def test_frames(watched):
    check(FRAMES, lambda row: wrong(row[0], talk2(watched.clients, row[1], answers(row[2])), row[2]))


def test_fields(watched):
    check(FIELDS, lambda row: wrong(row[0], talk2(watched.clients, request(fields=row[1]), answers(row[2])), row[2]))


def test_a_refused_stream_leaves_its_connection(watched):
    bad = request(1, block(("connection", "close")))
    assert talk2(watched.clients, bad + request(3), 2) in ("rst 200", "200 rst")


@pytest.mark.parametrize("name,pieces", FLOODS, ids=[name for name, _ in FLOODS])
def test_floods(watched, name, pieces):
    # The result is the gateway's choice, but it must keep serving and hold no resources. A following request is
    # answered, or the connection is closed.
    got = talk2(watched.clients, [*pieces, request(999_999)], 1, seconds=60)
    assert got in OVER.split("|"), got


def test_clients_that_do_not_read_do_not_block_others(watched):
    # Responses to PINGs fill the gateway's write buffer. Behind them is a head that it has read and can't answer.
    pinged = frame(PING, 0, 0, b"12345678") * 500
    mute = []
    try:
        for _ in range(16):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(watched.clients)
            connection.settimeout(0.5)
            mute.append(connection)
            stream = itertools.count(1, 2)
            try:
                connection.sendall(PREFACE + settings())
                while True:
                    connection.sendall(pinged + frame(HEADERS, END_HEADERS | END_STREAM, next(stream), block(method="GET", path="/v1/models")))
            except (TimeoutError, ConnectionError):
                # It has stopped reading, or closed the connection.
                pass
        assert talk2(watched.clients, request(), 1, seconds=20) == "200"
    finally:
        for connection in mute:
            connection.close()


def begins(address, preface, pieces):
    with Connection(address) as connection:
        connection.send(preface + pieces)
        connection.half_close()
        while connection.receive():
            pass
    if connection.buffer.startswith(b"HTTP/1.1 "):
        return connection.buffer[9:12].decode()
    return "goaway" if b"\x07\x00\x00\x00\x00\x00" in connection.buffer else "closed"


def test_prefaces(watched):
    check(PREFACES, lambda row: wrong(row[0], begins(watched.clients, row[1], row[2]), row[3]))
