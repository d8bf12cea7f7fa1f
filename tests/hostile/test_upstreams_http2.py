"""Upstreams that send HTTP/2 over TLS that none should send.

A row: a name, the frames that are sent for the request, and the allowed statuses. Rows run one by one, each on its
own connection, because others would share it.
"""

import json
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from answers import WHOLE, request
from conftest import KEY, objects
from frames import (
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, field, frame, settings,
)
from rows import check
from wire import Connection

BODY = WHOLE["openai"]
OK = b"\x88" + field("content-type", "application/json")
LONGEST = 15


def number(value):
    return struct.pack(">I", value)


def head(fields=OK, flags=END_HEADERS):
    return frame(HEADERS, flags, 1, fields)


def body(data=BODY):
    return frame(DATA, END_STREAM, 1, data)


def again(piece, times):
    return [piece * 100] * (times // 100)


GOOD = [head(), body()]
FAILS = "502|504"
ROWS = [
    ("a good one", GOOD, "200"),
    ("RST_STREAM", [frame(RST_STREAM, 0, 1, number(2))], FAILS),
    ("RST_STREAM that refuses", [frame(RST_STREAM, 0, 1, number(7))], FAILS + "|503"),
    ("RST_STREAM behind the head", [head(), frame(RST_STREAM, 0, 1, number(2))], FAILS),
    ("RST_STREAM in the body", [head(), frame(DATA, 0, 1, BODY[:50]), frame(RST_STREAM, 0, 1, number(8))], FAILS),
    ("GOAWAY", [frame(GOAWAY, 0, 0, number(0) + number(0))], FAILS + "|503"),
    ("GOAWAY that quotes the credential", [frame(GOAWAY, 0, 0, number(0) + number(11) + f"too calm, Bearer {KEY}".encode())], FAILS),
    ("GOAWAY with controls", [frame(GOAWAY, 0, 0, number(0) + number(11) + b"\x1b[2J\r\n\0" * 100)], FAILS),
    ("GOAWAY in the body", [head(), frame(DATA, 0, 1, BODY[:50]), frame(GOAWAY, 0, 0, number(0) + number(2) + KEY.encode())], FAILS),
    ("PUSH_PROMISE", [frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + OK), *GOOD], FAILS),
    ("DATA before the head", [body()], FAILS),
    ("an even stream", [frame(HEADERS, END_HEADERS, 2, OK)], FAILS),
    ("a stream that nobody opened", [frame(HEADERS, END_HEADERS, 9, OK)], FAILS),
    ("no status", [head(field("x", "y")), body()], FAILS),
    ("a status that is a word", [head(field(":status", "abc")), body()], FAILS),
    ("two statuses", [head(b"\x88\x88"), body()], FAILS + "|200"),
    ("a status of 101", [head(field(":status", "101")), body()], FAILS),
    ("a head without end", [head(OK, 0), *again(frame(CONTINUATION, 0, 1, field("x", "y" * 1_000)), 10_000)], FAILS),
    ("CONTINUATION without end", [head(OK, 0), *again(frame(CONTINUATION, 0, 1), 100_000)], FAILS),
    ("a bomb of one large field", [head(OK + field("x", "y" * 4_000, indexed=True) + b"\xbe" * 10_000), body()], FAILS + "|200"),
    ("10,000 103s", [*again(head(field(":status", "103")), 10_000), *GOOD], FAILS + "|200"),
    ("a bad index", [head(b"\xff\xff\xff\xff\x0f")], FAILS),
    ("connection in the head", [head(OK + field("connection", "close")), body()], FAILS + "|200"),
    ("100,000 SETTINGS", [*again(settings((3, 100)), 100_000), *GOOD], FAILS + "|200"),
    ("100,000 PINGs", [*again(frame(PING, 0, 0, b"12345678"), 100_000), *GOOD], FAILS + "|200"),
    ("a window that overflows", [frame(WINDOW_UPDATE, 0, 1, number((1 << 31) - 1)) * 2, *GOOD], FAILS + "|200"),
    ("more than the window", [head(), *again(frame(DATA, 0, 1, b"x" * 16_000), 10_000)], FAILS),
    ("empty DATA without end", [head(), *again(frame(DATA, 0, 1), 100_000)], FAILS),
    ("no end", [head(), frame(DATA, 0, 1, BODY)], FAILS),
    ("a length that lies", [head(OK + field("content-length", "5")), body()], FAILS),
    ("trailers alone", [head(OK, END_HEADERS | END_STREAM)], FAILS + "|200"),
    ("a frame too large", [frame(DATA, 0, 1, b"x" * 100_000)], FAILS),
    ("no streams allowed, and then one", [settings((3, 0)), settings((3, 1)), *GOOD], FAILS + "|200"),
    ("zeros", [b"\0" * 100_000], FAILS),
]


class Upstream:
    """Accepts HTTP/2 connections one by one, and sends the pieces that are set."""

    def __init__(self, folder):
        self.pieces, self.answered = [], threading.Event()
        self.certificate, key = folder / "ca.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=upstream",
             "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:false", "-keyout", key, "-out", self.certificate],
            check=True, capture_output=True,
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"https://localhost:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        raw.settimeout(20)
        with raw:
            try:
                with self.context.wrap_socket(raw, server_side=True) as connection:
                    self.play(connection)
            except (OSError, ValueError):
                pass  # the gateway may close the connection

    def play(self, connection):
        connection.sendall(settings())
        buffer = exactly(connection, len(PREFACE))
        while True:
            buffer = exactly(connection, 9)
            kind, flags, stream = buffer[3], buffer[4], int.from_bytes(buffer[5:], "big")
            exactly(connection, int.from_bytes(buffer[:3], "big"))
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK))
            if stream and kind in (HEADERS, DATA) and flags & END_STREAM:
                break
        for piece in self.pieces:
            connection.sendall(piece)
        # Keeps the connection until the caller has its response. The next row has another connection.
        connection.settimeout(0.02)
        while not self.answered.is_set():
            try:
                if not connection.recv(1 << 16):
                    break
            except TimeoutError:
                pass


def exactly(connection, length):
    data = b""
    while len(data) < length:
        if not (more := connection.recv(length - len(data))):
            raise OSError("closed")
        data += more
    return data


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    upstream = Upstream(tmp_path_factory.mktemp("tls"))
    yield upstream
    upstream.listener.close()


@pytest.fixture(scope="module")
def gateway(start, upstream):
    return start(certificate=upstream.certificate.read_text(), openai=upstream.url)


def test_rows(watched, upstream):
    wrong, descriptors = [], watched.descriptors()
    for name, upstream.pieces, expected in ROWS:
        upstream.answered.clear()
        begun = time.monotonic()
        with Connection(watched.clients, LONGEST + 10) as connection:
            connection.send(request("openai", "openai/m", False, b"connection: close"))
            status, headers, text = connection.response() or (0, {}, b"")
        upstream.answered.set()
        watched.until(lambda: watched.descriptors() <= descriptors)
        response = text.decode(errors="replace") + json.dumps(headers)
        took = time.monotonic() - begun
        if str(status) not in expected.split("|") or took > LONGEST or KEY in response:
            wrong.append((f"{name}: {status} after {took:.0f} s, not {expected}: {response[:300]}",))
    assert KEY not in watched.get("/decisions?limit=1000")
    check(wrong, lambda row: row[0])
