"""Upstreams that send invalid, huge or slow responses, or quote credentials.

A row: a name, the script, and the allowed statuses for a whole response and for a stream. "200" of a stream may end
in an error event. No row takes longer than its time-outs, and the next request is served.
"""

import base64
import gzip
import json
import time
import zlib
from functools import cache

import pytest

from answers import STREAM, WHOLE, request
from conftest import DIALECTS, KEY
from frames import frame
from rows import check
from upstream import Upstream, drips, endless, reset, says, silent, whole
from wire import Connection

GOOD = WHOLE["openai"]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
BARE = SSE + b"connection: close\r\n\r\n"  # ends with the connection
EVENT = STREAM["openai"].split(b"\n\n")[1] + b"\n\n"
FIRST = STREAM["openai"].split(b"\n\n")[0] + b"\n\n"
# The provider's time-outs are 2 and 3 s, and 4 s in total. A busy machine takes longer.
LONGEST = 15


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


BOMB = b"a" * 100_000_000


@cache
def bomb(gzipped):
    """A hundred megabytes, more than the longest response, compressed to some hundred kilobytes."""
    data = GOOD[:-1] + b', "x": "' + BOMB + b'"}'
    return gzip.compress(data, 1) if gzipped else zlib.compress(data, 1)


def sends(make):
    """Created on request, so that a run of other rows does not create large data."""
    return lambda connection, _: connection.sendall(make())


FAILS = "502|504"
STATUS_LINES = [
    ("nothing", says(), FAILS, FAILS),
    ("a reset", reset(), FAILS, FAILS),
    ("a reset in the head", reset(HEAD), FAILS, FAILS),
    ("silence", silent(), "504", "504"),
    ("silence in the head", silent(HEAD), "504", "504"),
    ("silence behind the head", silent(HEAD + b"content-length: 10\r\n\r\n"), "504", "504|502"),
    ("no HTTP", says(b"SSH-2.0-OpenSSH_9.2\r\n"), FAILS, FAILS),
    ("HTTP/0.9", says(GOOD), FAILS, FAILS),
    ("HTTP/2.0", says(b"HTTP/2.0 200 OK\r\n\r\n"), FAILS, FAILS),
    ("no status", says(b"HTTP/1.1\r\n\r\n"), FAILS, FAILS),
    ("a status of two digits", says(b"HTTP/1.1 20 OK\r\n\r\n"), FAILS, FAILS),
    ("a status of four digits", says(b"HTTP/1.1 2000 OK\r\n\r\n"), FAILS, FAILS),
    ("a status that is a word", says(b"HTTP/1.1 abc OK\r\n\r\n"), FAILS, FAILS),
    ("a negative status", says(b"HTTP/1.1 -20 OK\r\n\r\n"), FAILS, FAILS),
    ("status 000", says(b"HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n"), FAILS, FAILS),
    ("status 099", says(b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n"), FAILS, FAILS),
    ("status 999", says(b"HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n"), FAILS + "|999", FAILS + "|999"),
    ("status 101", says(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), FAILS, FAILS),
    ("status 204", says(b"HTTP/1.1 204 None\r\n\r\n"), FAILS + "|204|200", FAILS + "|204|200"),
    ("status 205", says(b"HTTP/1.1 205 Reset\r\ncontent-length: 0\r\n\r\n"), FAILS + "|205|200", FAILS + "|205|200"),
    ("status 304", says(b"HTTP/1.1 304 Not Modified\r\n\r\n"), FAILS, FAILS),
    ("a redirect", says(whole(b"", b"location: http://evil.example/", status=b"302 Found")), FAILS, FAILS),
    ("a redirect to itself", says(whole(b"", b"location: /v1/chat/completions", status=b"307 Again")), FAILS, FAILS),
    ("a reason of 1 MiB", says(b"HTTP/1.1 200 " + b"x" * (1 << 20) + b"\r\n\r\n"), FAILS, FAILS),
    ("a reason with ESC", says(whole(GOOD, status=b"200 \x1b[2J")), FAILS + "|200", FAILS),
]

HEADS = [
    ("a line without a colon", says(b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n"), FAILS, FAILS),
    ("a name with a space", says(b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n"), FAILS, FAILS),
    ("a value with a NUL", says(b"HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n"), FAILS, FAILS),
    ("a value with a bare CR", says(b"HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n" ), FAILS, FAILS),
    ("a fold", says(whole(GOOD, b"a: b\r\n c")), FAILS + "|200", FAILS),
    ("bare LF", says(whole(GOOD).replace(b"\r\n", b"\n")), FAILS + "|200", FAILS + "|200"),
    ("a head without end", endless(b"HTTP/1.1 200 OK\r\n", b"a: %s\r\n" % (b"x" * 8_000)), FAILS, FAILS),
    ("a line without end", endless(b"HTTP/1.1 200 ", b"x" * 8_000), FAILS, FAILS),
    ("200 headers", says(whole(GOOD, *[b"a%d: b" % number for number in range(200)])), FAILS + "|200", FAILS),
    ("10,000 1xx", says(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + whole(GOOD)), FAILS + "|200", FAILS + "|200"),
    ("1xx without end", endless(b"", b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 100), FAILS, FAILS),
    ("the head byte by byte", drips(HEAD, 0.2), FAILS, FAILS),
    ("a frame of HTTP/2", says(frame(4) + frame(7, 0, 0, b"\0" * 8)), FAILS, FAILS),
    ("headers of ours", says(whole(GOOD, b"x-outrigger-provider: evil", b"set-cookie: a=b", b"access-control-allow-origin: *")), "200", FAILS + "|200"),
]

BODIES = [
    ("a length too long", says(HEAD + b"content-length: 100000\r\n\r\n" + GOOD), FAILS, FAILS),
    ("a length too short", says(HEAD + b"content-length: 10\r\n\r\n" + GOOD), FAILS, FAILS),
    ("two lengths", says(HEAD + b"content-length: 10\r\ncontent-length: 11\r\n\r\n" + GOOD), FAILS, FAILS),
    ("a negative length", says(HEAD + b"content-length: -1\r\n\r\n" + GOOD), FAILS, FAILS),
    ("a length of 2^64", says(HEAD + b"content-length: 18446744073709551616\r\n\r\n" + GOOD), FAILS, FAILS),
    ("a length of 2^64 - 2", says(HEAD + b"content-length: 18446744073709551614\r\n\r\n" + GOOD), FAILS, FAILS),
    ("a length and chunks", says(HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(GOOD) + b"0\r\n\r\n"), FAILS + "|200", FAILS + "|200"),
    ("no length", says(HEAD + b"connection: close\r\n\r\n" + GOOD), "200", FAILS + "|200"),
    ("chunks that are none", says(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + GOOD), FAILS, FAILS),
    ("a chunk of 2^64", says(HEAD + b"transfer-encoding: chunked\r\n\r\n10000000000000000\r\n" + GOOD), FAILS, FAILS),
    ("a chunk extension without end", endless(HEAD + b"transfer-encoding: chunked\r\n\r\n5;", b"x" * 8_000), FAILS, FAILS),
    ("trailers without end", endless(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk(GOOD) + b"0\r\n", b"a: %s\r\n" % (b"x" * 8_000)), FAILS, FAILS + "|200"),
    ("a body without end", endless(HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(b"x" * 60_000)), FAILS, FAILS),
    ("an error without end", endless(b"HTTP/1.1 500 No\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n", chunk(b"x" * 60_000)), "500|" + FAILS, "500|" + FAILS),
    ("an error of silence", silent(b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\n"), "500|" + FAILS, "500|" + FAILS),
    ("the body byte by byte", drips(whole(GOOD), 0.1), FAILS, FAILS),
    ("no JSON", says(whole(b"hello")), FAILS, FAILS),
    ("HTML", says(whole(b"<html><title>Sign in</title>", content_type=b"text/html")), FAILS, FAILS),
    ("half a JSON", says(whole(GOOD[:-5])), FAILS, FAILS),
    ("nothing in it", says(whole(b"")), FAILS + "|200", FAILS + "|200"),
    ("null", says(whole(b"null")), FAILS, FAILS),
    ("an empty object", says(whole(b"{}")), FAILS + "|200", FAILS + "|200"),
    ("brackets", says(whole(b"[" * 100_000)), FAILS, FAILS),
    ("deep in a field", says(whole(GOOD[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")), FAILS + "|200", FAILS + "|200"),
    ("numbers beyond all", says(whole(GOOD.replace(b'"prompt_tokens": 3', b'"prompt_tokens": 1e999999'))), FAILS + "|200", FAILS + "|200"),
    ("no UTF-8", says(whole(GOOD.replace(b"Hello", b"\xff\xfe"))), FAILS + "|200", FAILS + "|200"),
    ("wrong types", says(whole(b'{"choices": "many", "usage": []}')), FAILS, FAILS + "|200"),
    ("gzip that is none", says(whole(GOOD, b"content-encoding: gzip")), FAILS, FAILS),
    ("gzip that is cut", says(whole(gzip.compress(GOOD)[:-9], b"content-encoding: gzip")), FAILS, FAILS),
    ("gzip", says(whole(gzip.compress(GOOD), b"content-encoding: gzip")), "200", FAILS + "|200"),
    ("gzip of 100 MB", sends(lambda: whole(bomb(True), b"content-encoding: gzip")), FAILS, FAILS),
    ("deflate of 100 MB", sends(lambda: whole(bomb(False), b"content-encoding: deflate")), FAILS, FAILS),
    ("an error of gzip of 100 MB", sends(lambda: whole(bomb(True), b"content-encoding: gzip", status=b"400 No")), "400|" + FAILS, "400|" + FAILS),
    ("gzip twice", says(whole(gzip.compress(gzip.compress(GOOD)), b"content-encoding: gzip, gzip")), FAILS, FAILS),
    ("brotli", says(whole(GOOD, b"content-encoding: br")), FAILS, FAILS),
]

STREAMS = [
    ("cut off", says(BARE + FIRST + EVENT), FAILS + "|200", "200"),
    ("silence behind the first", silent(BARE + FIRST), FAILS, FAILS + "|200"),
    ("silence behind content", silent(BARE + FIRST + EVENT), FAILS + "|200", "200"),
    ("a reset behind content", reset(BARE + FIRST + EVENT), FAILS + "|200", "200|502"),
    ("comments without end", endless(BARE, b": ping\n\n" * 100), FAILS, FAILS + "|200"),
    ("a line without end", endless(BARE + b"data: ", b"x" * 60_000), FAILS, FAILS),
    ("an event without end", endless(BARE, b"data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 1_000), FAILS, FAILS),
    ("an event of 100 MB", says(BARE + FIRST + b'data: {"x": "', *[b"y" * 1_000_000] * 100, b'"}\n\n'), FAILS, FAILS + "|200"),
    ("an event of 100 MB behind content", says(BARE + FIRST + EVENT + b'data: {"x": "', *[b"y" * 1_000_000] * 100, b'"}\n\n'), FAILS + "|200", "200"),
    ("100,000 empty events", says(BARE + b"data:\n\n" * 100_000), FAILS, FAILS + "|200"),
    ("100,000 roles", says(BARE + FIRST * 100_000), FAILS, FAILS + "|200"),
    ("no JSON in it", says(BARE + b"data: {oops\n\n"), FAILS, FAILS),
    ("no JSON behind content", says(BARE + FIRST + EVENT + b"data: {oops\n\n"), FAILS + "|200", "200"),
    ("bytes of all kinds", says(BARE + bytes(range(256)) * 100 + b"\n\n"), FAILS, FAILS + "|200"),
    ("an error event", says(BARE + b'data: {"error": {"message": "no"}}\n\n'), FAILS, FAILS),
    ("an error event of 4 MB", says(BARE + b'data: {"error": {"message": "' + b"n" * 4_000_000 + b'"}}\n\n'), FAILS, FAILS),
    ("compressed, 100 MB", sends(lambda: SSE + b"content-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(FIRST + b": " + BOMB + b"\n\n", 1)), FAILS, FAILS + "|200"),
    ("compressed, many events", sends(lambda: SSE + b"content-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(FIRST + EVENT * 10_000, 1)), FAILS + "|200", "200|" + FAILS),
    ("whole, though a stream was asked for", says(whole(GOOD)), "200", FAILS + "|200"),
    ("a stream under text/plain", says(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n" + STREAM["openai"]), FAILS + "|200", FAILS + "|200"),
    ("a good one", says(BARE + STREAM["openai"]), FAILS + "|200", "200"),
    ("a good one byte by byte", says(BARE, *[bytes([byte]) for byte in STREAM["openai"]]), FAILS + "|200", "200"),
]

KINDS = {"status lines": STATUS_LINES, "heads": HEADS, "bodies": BODIES, "streams": STREAMS}


def quoting(status, form):
    body = json.dumps({"error": {"message": f"no: {form}", "type": "invalid_request_error", "param": form, "code": form}}).encode()
    headers = [b"www-authenticate: Bearer " + form.encode(), b"x-echo: " + form.encode(), b"location: https://x/?k=" + form.encode()]
    return says(whole(body, *headers, status=b"%d No" % status))


@pytest.fixture(scope="module")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(start, upstream):
    return start(**{dialect: upstream.url for dialect in DIALECTS})


def ask(gateway, number, stream, caller="openai", provider="openai"):
    """The response to a script, and its duration."""
    begun = time.monotonic()
    with Connection(gateway.clients, LONGEST + 10) as connection:
        connection.send(request(caller, f"{provider}/play_{number}_", stream, b"connection: close"))
        status, headers, body = connection.response() or (0, {}, b"")
    return status, headers, body, time.monotonic() - begun


def both(rows):
    """Each row, whole and as a stream: (name, number of the script, stream, allowed statuses)."""
    return [(name, number, stream, expected[stream]) for number, (name, _, *expected) in enumerate(rows) for stream in (False, True)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind(watched, upstream, kind):
    def wrong(row):
        name, number, stream, expected = row
        status, _, body, took = ask(watched, number, stream)
        what = f"{name}, {'a stream' if stream else 'whole'}: "
        if str(status) not in expected.split("|"):
            return what + f"{status}, not {expected}: {body[:200]!r}"
        return what + f"it took {took:.0f} s" if took > LONGEST else None

    upstream.scripts = [script for _, script, *_ in KINDS[kind]]
    check(both(KINDS[kind]), wrong)


@pytest.mark.parametrize("provider", DIALECTS)
def test_other_dialects(watched, upstream, provider):
    """The worst of them once more from providers of each dialect, translated to another one."""
    caller = "anthropic" if provider == "openai" else "openai"

    def wrong(row):
        name, number, stream, _ = row
        status, _, body, took = ask(watched, number, stream, caller, provider)
        good = status in (200, 400, 500, 502, 504) and took < LONGEST
        return None if good else f"{name}: {status} after {took:.0f} s: {body[:200]!r}"

    rows = [*BODIES, *STREAMS]
    upstream.scripts = [script for _, script, *_ in rows]
    check(both(rows), wrong)


def forms():
    escaped = "".join(f"%{byte:02X}" for byte in KEY.encode())
    json_escaped = "".join(f"\\u{byte:04x}" for byte in KEY.encode())
    return [
        KEY,
        f"Bearer {KEY}",
        json.dumps({"authorization": f"Bearer {KEY}"}),
        escaped,
        json_escaped,
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        base64.b64encode(KEY.encode()).decode(),
    ]


def test_an_error_that_quotes_the_credential(watched, upstream):
    """For every status and form: the class is `credential`, and no part of it is returned or recorded."""
    rows = [(status, form) for status in (300, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529) for form in forms()]
    upstream.scripts = [quoting(status, form) for status, form in rows]

    def wrong(row):
        number, stream = row
        _, form = rows[number]
        status, headers, body, _ = ask(watched, number, stream)
        text = body.decode() + json.dumps(headers)
        good = status == 502 and "upstream_credentials_exhausted" in text and KEY[4:-4] not in text and form not in text
        return None if good else f"{rows[number]}: {status} {text}"

    check([(number, stream) for number in range(len(rows)) for stream in (False, True)], wrong)
    records = watched.get("/decisions?limit=1000")
    assert KEY[4:-4] not in records and all(form not in records for form in forms())


def test_a_stream_that_quotes_the_credential(watched, upstream):
    """Split at every byte, inside the value and elsewhere."""
    event = EVENT.replace(b"Hello", KEY.encode())
    head, rest = SSE + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n", STREAM["openai"].split(b"\n\n", 2)[2]
    cuts = range(1, len(event))
    upstream.scripts = [says(head, chunk(FIRST), chunk(event[:at]), chunk(event[at:]), chunk(rest), b"0\r\n\r\n") for at in cuts]

    def wrong(row):
        status, _, body, _ = ask(watched, row[0], True)
        good = status == 200 and KEY.encode() not in body and b"***" in body and b"[DONE]" in body
        return None if good else f"cut at {cuts[row[0]]}: {body}"

    check([(number,) for number in range(len(cuts))], wrong)


def test_http2_is_not_spoken_in_clear_text(watched, upstream):
    """An upstream that sends HTTP/2 frames without negotiation: these are no response."""
    frames = [frame(4) + frame(3, 0, 1, b"\0\0\0\x08"), frame(5, 4, 1, b"\0\0\0\x02\x88"), frame(7, 0, 0, b"\xff" * 100)]
    upstream.scripts = [says(pieces) for pieces in frames]
    assert {ask(watched, number, False)[0] for number in range(len(frames))} == {502}
