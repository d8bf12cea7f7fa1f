"""HTTP/1 that no client should send.

A row: a name, the bytes, and the expected statuses in order, several choices with "|", and "" for a connection that
is closed without a response. A leading "~" means that no response is expected: the sender closes its half at once.
If lengths disagree, at most one of the two possible requests may be served.
To add a shape, add a row to its kind.
"""

import pytest

from rows import check
from wire import Connection, talk

BODY = b'{"model": "mock/m", "messages": [{"role": "user", "content": "Hello"}]}'
SIZE = b"%d" % len(BODY)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = b"content-length: " + SIZE
# A smuggled request: if it were served, there would be a second 200.
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"


def post(*headers, body=BODY, line=b"POST /v1/chat/completions HTTP/1.1", host=b"host: localhost", end=b"\r\n"):
    lines = [line, *([host] if host is not None else []), b"content-type: application/json", *headers]
    return end.join(lines) + end + end + body


def get(path=b"/v1/models", *headers, version=b"HTTP/1.1", method=b"GET", host=b"host: localhost"):
    return b"\r\n".join([method + b" " + path + b" " + version, *([host] if host is not None else []), *headers]) + b"\r\n\r\n"


SANE = [
    ("a request", post(LENGTH), "200"),
    ("in chunks", post(b"transfer-encoding: chunked", body=CHUNKED), "200"),
    ("pipelined", post(LENGTH) + post(LENGTH), "200 200"),
    ("pipelined, of two kinds", get() + post(LENGTH) + get(), "200 200 200"),
    ("byte by byte", [bytes([byte]) for byte in post(LENGTH)], "200"),
    ("empty lines in front", b"\r\n\r\n" + post(LENGTH), "200"),
    ("in HTTP/1.0", post(LENGTH, line=b"POST /v1/chat/completions HTTP/1.0"), "200"),
    ("in HTTP/1.0 without a host", get(version=b"HTTP/1.0", host=None), "200|400|403|421"),
    ("HEAD of a listing", get(method=b"HEAD"), "404|405"),
]

LENGTHS = [
    ("twice the same", post(LENGTH, LENGTH), "200|400"),
    ("twice, not the same", post(LENGTH, b"content-length: 5"), "400"),
    ("a list of the same", post(b"content-length: " + SIZE + b", " + SIZE), "400|200"),
    ("a list", post(b"content-length: " + SIZE + b", 5"), "400"),
    ("negative", post(b"content-length: -1"), "400"),
    ("with a plus", post(b"content-length: +" + SIZE), "400"),
    ("hexadecimal", post(b"content-length: 0x10"), "400"),
    ("with a fraction", post(b"content-length: 10.0"), "400"),
    ("with an exponent", post(b"content-length: 1e1"), "400"),
    ("with an underscore", post(b"content-length: 1_0"), "400"),
    ("empty", post(b"content-length:"), "400"),
    ("a word", post(b"content-length: many"), "400"),
    ("with a space in it", post(b"content-length: 1 0"), "400"),
    ("2^64", post(b"content-length: 18446744073709551616"), "400"),
    ("2^64 - 1", post(b"content-length: 18446744073709551615"), "400|413|431"),
    ("2^63", post(b"content-length: 9223372036854775808"), "413|400"),
    ("a thousand digits", post(b"content-length: " + b"9" * 1_000), "400"),
    ("a thousand zeros", post(b"content-length: " + b"0" * 1_000 + SIZE), "200|400"),
    ("33 MiB", post(b"content-length: 34603008"), "413"),
    ("a space before the colon", post(b"content-length : " + SIZE), "400"),
    ("a tab before the colon", post(b"content-length\t: " + SIZE), "400"),
    ("a NUL behind", post(LENGTH + b"\0"), "400"),
    ("a vertical tab behind", post(LENGTH + b"\x0b"), "400"),
    ("other digits", post("content-length: ７１".encode()), "400"),
    ("shorter than what comes", post(b"content-length: 5"), "400|400 400"),
    ("none, and a body", post(body=SMUGGLED), "400 200|400"),
    ("a GET with a body", get(b"/v1/models", b"content-length: 5")  + b"GET /", "200|400"),
]

# Lengths that disagree: what follows must not be served as a second request.
SMUGGLING = [
    ("both, length first", post(LENGTH, b"transfer-encoding: chunked", body=CHUNKED), "200|400"),
    ("both, chunked first", post(b"transfer-encoding: chunked", LENGTH, body=CHUNKED), "200|400"),
    ("both, a short length", post(b"content-length: 4", b"transfer-encoding: chunked", body=CHUNKED), "200|400"),
    ("both, and another behind", post(b"content-length: %d" % (5 + len(SMUGGLED)), b"transfer-encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED), "400"),
    ("xchunked", post(b"transfer-encoding: xchunked", body=CHUNKED), "400|501"),
    ("xchunked and a length", post(b"transfer-encoding: xchunked", LENGTH), "400|501"),
    ("identity", post(b"transfer-encoding: identity", LENGTH), "400|501"),
    ("chunked, identity", post(b"transfer-encoding: chunked, identity", body=CHUNKED), "400|501"),
    ("identity, chunked", post(b"transfer-encoding: identity, chunked", body=CHUNKED), "200|400|501"),
    ("gzip, chunked", post(b"transfer-encoding: gzip, chunked", body=CHUNKED), "200|400|501"),
    ("chunked twice in one", post(b"transfer-encoding: chunked, chunked", body=CHUNKED), "200|400"),
    ("chunked in two lines", post(b"transfer-encoding: chunked", b"transfer-encoding: chunked", body=CHUNKED), "200|400"),
    ("chunked, then identity", post(b"transfer-encoding: chunked", b"transfer-encoding: identity", body=CHUNKED), "400|501"),
    ("cow, then chunked", post(b"transfer-encoding: cow", b"transfer-encoding: chunked", body=CHUNKED), "200|400|501"),
    ("a space before the colon", post(b"transfer-encoding : chunked", body=CHUNKED), "400"),
    ("a tab before chunked", post(b"transfer-encoding:\tchunked", body=CHUNKED), "200|400"),
    ("a vertical tab before chunked", post(b"transfer-encoding:\x0bchunked", body=CHUNKED), "400|501"),
    ("a form feed behind chunked", post(b"transfer-encoding: chunked\x0c", body=CHUNKED), "400|501"),
    ("a NUL in it", post(b"transfer-encoding: chu\0nked", body=CHUNKED), "400"),
    ("in quotes", post(b'transfer-encoding: "chunked"', body=CHUNKED), "400|501"),
    ("upper case", post(b"Transfer-Encoding: CHUNKED", body=CHUNKED), "200|400"),
    ("with a parameter", post(b"transfer-encoding: chunked;a=b", body=CHUNKED), "400|501|200"),
    ("empty", post(b"transfer-encoding:", LENGTH), "400|501|200"),
    ("a comma alone", post(b"transfer-encoding: ,", LENGTH), "400|501|200"),
    ("a comma behind", post(b"transfer-encoding: chunked,", body=CHUNKED), "200|400|501"),
    ("underscore", post(b"transfer_encoding: chunked", LENGTH), "200"),
    ("folded", post(b"transfer-encoding:\r\n chunked", body=CHUNKED), "400"),
    ("folded by a tab", post(b"transfer-encoding:\r\n\tchunked", body=CHUNKED), "400"),
    ("folded behind another", post(b"x: y\r\n transfer-encoding: chunked", LENGTH), "400"),
    ("a bare LF before it", post(b"x: y\ntransfer-encoding: chunked", LENGTH), "400|200"),
    ("a bare CR before it", post(b"x: y\rtransfer-encoding: chunked", LENGTH), "400"),
    ("in HTTP/1.0", post(b"transfer-encoding: chunked", body=CHUNKED, line=b"POST /v1/chat/completions HTTP/1.0"), "400|200"),
    ("both in HTTP/1.0", post(LENGTH, b"transfer-encoding: chunked", body=CHUNKED, line=b"POST /v1/chat/completions HTTP/1.0"), "400|200"),
    ("a GET in chunks", get(b"/v1/models", b"transfer-encoding: chunked") + b"0\r\n\r\n", "200|400"),
    ("a length of 0 and one behind", post(b"content-length: 0", body=SMUGGLED), "400 200|400"),
]

CHUNKS = [
    ("an extension", b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "200"),
    ("an extension in quotes", b'%x;a="b;c"\r\n%s\r\n0\r\n\r\n' % (len(BODY), BODY), "200|400"),
    ("an extension with a bare LF", b"%x;a\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("an extension with a bare CR", b"%x;a\rb\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("an extension of 1 MiB", b"%x;" % len(BODY) + b"a" * (1 << 20) + b"\r\n" + BODY + b"\r\n0\r\n\r\n", "400"),
    ("extensions on each byte", b"".join(b"1;%s\r\n%c\r\n" % (b"a" * 100, byte) for byte in BODY * 1) + b"0\r\n\r\n", "200|400"),
    ("a size with zeros", b"0000%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "200|400"),
    ("a size with a space behind", b"%x \r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "200|400"),
    ("a size with a space in front", b" %x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400|200"),
    ("a size with 0x", b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("a negative size", b"-1\r\n%s\r\n0\r\n\r\n" % BODY, "400"),
    ("a size with a plus", b"+%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("a size that is no number", b"zz\r\n%s\r\n0\r\n\r\n" % BODY, "400"),
    ("no size", b"\r\n%s\r\n0\r\n\r\n" % BODY, "400"),
    ("a size of 2^64", b"10000000000000000\r\n%s\r\n0\r\n\r\n" % BODY, "400"),
    ("a size of 2^64 - 1", b"ffffffffffffffff\r\n%s\r\n0\r\n\r\n" % BODY, "~|400|413"),
    ("a size of 16 digits, small", b"00000000000000%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "200|400"),
    ("a size of 100 digits", b"0" * 100 + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "200|400"),
    ("a size too small", b"5\r\n%s\r\n0\r\n\r\n" % BODY, "400"),
    ("no CR behind the data", b"%x\r\n%s\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("bare LF behind the size", b"%x\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("bare CR behind the size", b"%x\r%s\r\n0\r\n\r\n" % (len(BODY), BODY), "400"),
    ("bare LF at the end", b"%x\r\n%s\r\n0\n\n" % (len(BODY), BODY), "400"),
    ("a trailer", b"%x\r\n%s\r\n0\r\nx-a: b\r\n\r\n" % (len(BODY), BODY), "200"),
    ("a trailer that is a length", b"%x\r\n%s\r\n0\r\ncontent-length: 5\r\n\r\n" % (len(BODY), BODY), "200|400"),
    ("a trailer that is a credential", b"%x\r\n%s\r\n0\r\nx-outrigger-key: nobody\r\n\r\n" % (len(BODY), BODY), "200|400"),
    ("a trailer without a colon", b"%x\r\n%s\r\n0\r\nx\r\n\r\n" % (len(BODY), BODY), "400|200"),
    ("trailers of 1 MiB", b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY) + b"x: %s\r\n" % (b"y" * 1000) * 1000 + b"\r\n", "400"),
    ("many trailers", b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY) + b"x: y\r\n" * 2000 + b"\r\n", "400|200"),
    ("one byte each", b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n", "200"),
]

HEADS = [
    ("bare LF for line ends", post(LENGTH, end=b"\n"), "200|400"),
    ("bare CR for line ends", post(LENGTH, end=b"\r"), "~|400"),
    ("a fold", post(b"x: a\r\n b", LENGTH), "400"),
    ("a fold in front", b"POST /v1/chat/completions HTTP/1.1\r\n x: y\r\nhost: localhost\r\n\r\n", "400"),
    ("a line without a colon", post(b"nothing", LENGTH), "400"),
    ("an empty name", post(b": x", LENGTH), "400"),
    ("a name with a space", post(b"a b: x", LENGTH), "400"),
    ("a name with a NUL", post(b"a\0b: x", LENGTH), "400"),
    ("a name with a bracket", post(b"a(b): x", LENGTH), "400"),
    ("a name that is no ASCII", post("ä: x".encode(), LENGTH), "400"),
    ("a name of 70 kB", post(b"a" * 70_000 + b": x", LENGTH), "400|431"),
    ("a value with a NUL", post(b"a: x\0y", LENGTH), "400"),
    ("a value with DEL", post(b"a: x\x7fy", LENGTH), "400"),
    ("a value with ESC", post(b"a: x\x1by", LENGTH), "400"),
    ("a value with a bare CR", post(b"a: x\ry", LENGTH), "400"),
    ("a value that is no UTF-8", post(b"a: \xff\xfe", LENGTH), "200"),
    ("a value of 300 kB", post(b"a: " + b"x" * 300_000, LENGTH), "200|431|400"),
    ("a value of 1 MiB", post(b"a: " + b"x" * (1 << 20), LENGTH), "431"),
    ("200 headers", post(*[b"a%d: x" % number for number in range(200)], LENGTH), "200|431"),
    ("10,000 headers", post(*[b"a%d: x" % number for number in range(10_000)], LENGTH), "431"),
    ("the same header 200 times", post(*[b"a: x"] * 200, LENGTH), "200|431"),
    ("headers without end", [b"POST / HTTP/1.1\r\n", *[b"a: %s\r\n" % (b"x" * 8_000)] * 200], "431"),
    ("a line without end", [b"POST /", *[b"x" * 8_000] * 200], "414|431|400"),
    ("two hosts", post(b"host: other", LENGTH), "200|400|403|421"),
    ("no host", post(LENGTH, host=None), "200|400|403|421"),
    ("an empty host", post(LENGTH, host=b"host:"), "200|400|403|421"),
    ("a host that is no name", post(LENGTH, host=b"host: a b"), "200|400|403|421"),
    ("expect: 100-continue", [post(LENGTH, b"expect: 100-continue", body=b""), BODY], "100 200|200"),
    ("expect something else", post(LENGTH, b"expect: tea"), "200|417"),
    ("expect, and a body too large", post(b"content-length: 40000000", b"expect: 100-continue", body=b""), "413|100 413"),
    ("a compressed body", post(LENGTH, b"content-encoding: gzip"), "415"),
    ("a length named hop-by-hop", post(LENGTH, b"connection: content-length"), "200|400"),
    ("a credential named hop-by-hop", post(LENGTH, b"connection: x-outrigger-key, authorization"), "200"),
    ("upgrade to h2c", post(LENGTH, b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"), "200|400"),
    ("upgrade to websocket", get(b"/v1/models", b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-key: eA==", b"sec-websocket-version: 13"), "200|400"),
    ("a header of ours", post(LENGTH, b"x-outrigger-provider: ../../x"), "400|403|404"),
    ("a traceparent of 8 kB", post(LENGTH, b"traceparent: 00-" + b"a" * 8_000), "200"),
    ("a time-out that is no number", post(LENGTH, b"x-stainless-timeout: -1e999"), "200"),
    ("a time-out without end", post(LENGTH, b"x-stainless-timeout: 1e308"), "200"),
]

LINES = [
    ("nothing but a line", b"\r\n", ""),
    ("no version", b"GET /v1/models\r\n\r\n", "400|"),
    ("HTTP/0.9", b"GET /\r\n", "400|"),
    ("HTTP/1.2", get(version=b"HTTP/1.2"), "200|400|505"),
    ("HTTP/2.0", get(version=b"HTTP/2.0"), "400|505"),
    ("HTTP/3", get(version=b"HTTP/3"), "400|505"),
    ("HTTP/11", get(version=b"HTTP/11"), "400"),
    ("HTTP/1.10", get(version=b"HTTP/1.10"), "400"),
    ("HTTPS/1.1", get(version=b"HTTPS/1.1"), "400"),
    ("http/1.1", get(version=b"http/1.1"), "400"),
    ("no method", b" /v1/models HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
    ("a method in lower case", get(method=b"get"), "404|405|400"),
    ("a method with a NUL", get(method=b"GE\0T"), "400"),
    ("a method with a bracket", get(method=b"G(T"), "400"),
    ("a method of 10 kB", get(method=b"G" * 10_000), "400|404|405|414|431"),
    ("TRACE", get(method=b"TRACE"), "404|405"),
    ("CONNECT", b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost:80\r\n\r\n", "404|405|400"),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", "404|405|204|403"),
    ("PRI", b"PRI * HTTP/1.1\r\nhost: localhost\r\n\r\n", "400|404|405"),
    ("two spaces", b"GET  /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
    ("tabs", b"GET\t/v1/models\tHTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
    ("a space behind", b"GET /v1/models HTTP/1.1 \r\nhost: localhost\r\n\r\n", "400|200"),
    ("a space in the path", get(b"/v1/mod els"), "400"),
    ("a NUL in the path", get(b"/v1/mod\0els"), "400"),
    ("a control in the path", get(b"/v1/mod\x01els"), "400"),
    ("a fragment in the path", get(b"/v1/models#x"), "200|400|404"),
    ("bytes in the path", get(b"/v1/\xff\xfe"), "400|404"),
    ("a relative path", get(b"v1/models"), "400|404"),
    ("an empty path", get(b""), "400"),
    ("an absolute URL", get(b"http://localhost/v1/models"), "200|400"),
    ("an absolute URL of another host", get(b"http://evil.example/v1/models"), "200|400|403|421"),
    ("an absolute URL with a user", get(b"http://a:b@localhost/v1/models"), "200|400|403|421"),
    ("another scheme", get(b"ftp://localhost/v1/models"), "200|400|404"),
    ("a path of 60 kB", get(b"/v1/models/" + b"x" * 60_000), "404|414|431|400"),
    ("a path of 100 kB", get(b"/v1/models/" + b"x" * 100_000), "404|414|431|400"),
    ("a query of 50 kB", get(b"/v1/models?" + b"x" * 50_000), "200|414|431"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x01" * 500, "400|"),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", "400|"),
    ("a proxy's first line", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(), "400"),
    ("zeros", b"\0" * 1_000, "400|"),
    ("bytes of all kinds", bytes(range(256)) * 16, "400|"),
]

# Paths that a caller may not send. No part reaches an upstream, because the gateway builds upstream paths itself.
PATHS = [
    ("dots", get(b"/v1/../v1/models"), "404"),
    ("dots, encoded", get(b"/v1/%2e%2e/v1/models"), "404"),
    ("dots, encoded twice", get(b"/v1/%252e%252e/v1/models"), "404"),
    ("a dot", get(b"/v1/./models"), "404"),
    ("a slash, encoded", get(b"/v1%2Fmodels"), "404"),
    ("a backslash", get(b"/v1\\models"), "404"),
    ("a letter, encoded", get(b"/v1/%6dodels"), "404|200"),
    ("slashes in front", get(b"//v1/models"), "200|404"),
    ("slashes between", get(b"/v1//models"), "404"),
    ("parameters", get(b"/v1;a=b/models"), "404"),
    ("NUL, encoded", get(b"/v1/models/a%00b"), "404"),
    ("CR LF, encoded", get(b"/v1/models/a%0d%0ahost:%20x"), "404"),
    ("no UTF-8, encoded", get(b"/v1/models/%ff"), "404"),
    ("half an escape", get(b"/v1/models/%f"), "404"),
    ("a verb with dots", get(b"/v1beta/models/..%2f..%2fx:generateContent", method=b"POST"), "404|400"),
    ("a verb with raw dots", get(b"/v1beta/models/../../x:generateContent", method=b"POST"), "404|400"),
    ("admin's", get(b"/policy"), "404"),
    ("admin's, with a host of its own", get(b"/decisions", host=b"host: localhost:4181"), "404|403|400"),
]

BODIES = [
    ("empty", b"", "400"),
    ("no JSON", b"hello", "400"),
    ("half a JSON", BODY[:-1], "400"),
    ("two of them", BODY + BODY, "400"),
    ("a NUL behind", BODY + b"\0", "400"),
    ("no UTF-8", BODY.replace(b"Hello", b"\xff"), "400|200"),
    ("a byte order mark", b"\xef\xbb\xbf" + BODY, "400|200"),
    ("UTF-16", BODY.decode().encode("utf-16"), "400"),
    ("10,000 brackets", b"[" * 10_000, "400|413|503"),
    ("10,000 objects", b'{"a":' * 10_000, "400|413|503"),
    ("deep in a field", BODY[:-1] + b', "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "400|200|413|503"),
    ("a key twice", BODY[:-1] + b', "model": "x"}', "400"),
    ("a key twice, escaped", BODY[:-1] + b', "m\\u006fdel": "x"}', "400"),
    ("a key twice in other letters", BODY[:-1] + b', "Model": "x"}', "400"),
    ("a model that is a number", BODY.replace(b'"mock/m"', b"1"), "400"),
    ("a model that is empty", BODY.replace(b"mock/m", b""), "400"),
    ("a model of 100 kB", BODY.replace(b"mock/m", b"m" * 100_000), "400"),
    ("a model with ESC", BODY.replace(b"mock/m", b"mock/\\u001b]52;c;eA==\\u0007"), "400"),
    ("a model with CR LF", BODY.replace(b"mock/m", b"mock/a\\r\\nx: y"), "400"),
    ("a model with half a pair", BODY.replace(b"mock/m", b"mock/\\ud800"), "400|200"),
    ("a number without end", BODY[:-1] + b', "max_tokens": ' + b"9" * 100_000 + b"}", "400|200|413|503"),
    ("a huge exponent", BODY[:-1] + b', "temperature": 1e999999}', "400|200|413|503"),
    ("100,000 fields", b'{"model": "mock/m", "messages": [], ' + b", ".join(b'"f%d": 1' % n for n in range(100_000)) + b"}", "400|200|413|503"),
    ("33 fallbacks", BODY[:-1] + b', "fallbacks": [' + b",".join([b'"mock/x"'] * 33) + b"]}", "400"),
]

KINDS = {
    "sane": SANE,
    "lengths": LENGTHS,
    "smuggling": SMUGGLING,
    "chunks": [(name, post(b"transfer-encoding: chunked", body=body), expected) for name, body, expected in CHUNKS],
    "heads": HEADS,
    "lines": LINES,
    "paths": PATHS,
    "bodies": [(name, post(b"content-length: %d" % len(body), body=body), expected) for name, body, expected in BODIES],
}


def statuses(gateway, data, expected):
    if expected.startswith("~"):
        return talk(gateway.clients, data, 0)
    choices = expected.split("|")
    # Waits for as many responses as the longest choice has, or for the end if that is expected.
    answers = max(sum(not status.startswith("1") for status in choice.split()) for choice in choices)
    return talk(gateway.clients, data, answers)


def wrong(gateway, name, data, expected):
    got = statuses(gateway, data, expected)
    return None if got in expected.removeprefix("~").split("|") else f"{name}: {got!r}, not {expected!r}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind(watched, kind):
    check(KINDS[kind], lambda row: wrong(watched, *row))


@pytest.mark.parametrize("kind", ["sane", "lengths", "smuggling", "chunks"])
def test_a_kind_in_two_pieces(watched, kind):
    """The boundaries of segments do not matter: each shape once more, split in its middle and before its last
    byte."""
    rows = [(name, b"".join(data) if isinstance(data, list) else data, expected) for name, data, expected in KINDS[kind]]
    cut = [
        (f"{name}, cut at {at}", [data[:at], data[at:]], expected)
        for name, data, expected in rows
        for at in (len(data) // 2, len(data) - 1)
        if not data.startswith(b"HEAD")
    ]
    check(cut, lambda row: wrong(watched, *row))


LEAVING = {
    "before a word": b"",
    "in the line": b"POST /v1/ch",
    "in the head": post(LENGTH)[:60],
    "before the body": post(LENGTH, body=b""),
    "in the body": post(LENGTH)[:-10],
    "in a chunk": post(b"transfer-encoding: chunked", body=CHUNKED)[:-20],
    "with an answer to come": post(LENGTH),
    "of a stream": post(b"content-length: %d" % (len(BODY) + 16), body=BODY[:-1] + b', "stream": true}'),
}


@pytest.mark.parametrize("where", LEAVING)
def test_a_client_that_disconnects_leaves_nothing_behind(watched, where):
    for leave in ("close", "half close", "reset"):
        for _ in range(20):
            with Connection(watched.clients) as connection:
                connection.send(LEAVING[where])
                if leave == "reset":
                    connection.reset()
                elif leave == "half close":
                    connection.half_close()
                    while connection.receive():
                        pass


def test_slow_clients_do_not_block_others(watched):
    """Three hundred that never finish their head or body: another client is served, and everything is freed with
    them."""
    slow = [Connection(watched.clients, 60) for _ in range(300)]
    try:
        for number, connection in enumerate(slow):
            connection.send([b"P", post(LENGTH)[:40], post(LENGTH)[:-1]][number % 3])
        for _ in range(5):
            watched.answers()
    finally:
        for connection in slow:
            connection.__exit__()
