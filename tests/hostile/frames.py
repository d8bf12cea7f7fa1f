"""HTTP/2 by hand: frames in any shape, valid or not, and the responses as short words."""

import struct

from wire import Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 0x20
BODY = b'{"model": "mock/m", "messages": [{"role": "user", "content": "Hello"}]}'
# The statuses in HPACK's static table.
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def text(value, length=None):
    """A string of HPACK without Huffman coding."""
    length = len(value) if length is None else length
    if length < 127:
        return bytes([length]) + value
    length -= 127
    out = [127]
    while length >= 128:
        out.append(length % 128 + 128)
        length //= 128
    return bytes([*out, length]) + value


def field(name, value, indexed=False):
    """A literal field, with or without an entry in the dynamic table."""
    name, value = (one.encode() if isinstance(one, str) else one for one in (name, value))
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def block(*fields, method="POST", path="/v1/chat/completions", scheme="http", authority="localhost"):
    pseudo = [(":method", method), (":path", path), (":scheme", scheme), (":authority", authority)]
    return b"".join(field(*one) for one in [*(one for one in pseudo if one[1] is not None), *fields])


def request(stream=1, fields=block(("content-type", "application/json")), body=BODY):
    """A valid request, except for the given parts."""
    head = frame(HEADERS, END_HEADERS, stream, fields)
    return head + frame(DATA, END_STREAM, stream, body)


def status(payload):
    """The status in the first field of a response's head."""
    while payload and payload[0] & 0xE0 == 0x20:  # a change of the table's size
        payload = payload[1:]
    if payload[0] in STATUSES:
        return STATUSES[payload[0]]
    length, coded = payload[1] & 0x7F, payload[1] & 0x80
    value = payload[2 : 2 + length]
    if not coded:
        return int(value)
    bits = "".join(f"{byte:08b}" for byte in value)
    digits, at = "", 0
    while len(digits) < 3:  # Huffman: 0 to 2 have five bits, 3 to 9 have six
        five, six = int(bits[at : at + 5], 2), int(bits[at : at + 6], 2)
        digits, at = (digits + str(five), at + 5) if five < 3 else (digits + str(six - 22), at + 6)
    return int(digits)


def talk2(address, pieces, answers=1, seconds=8, preface=PREFACE + settings()):
    """Sends the pieces. Returns the results in order: "200" for each response's head, "rst" for a reset stream,
    "goaway", "closed".

    Ends after so many of these, or with the connection.
    """
    with Connection(address, seconds) as connection:
        for piece in [preface, *([pieces] if isinstance(pieces, bytes) else pieces)]:
            if not connection.send(piece):
                break
        results = []
        while len(results) < answers:
            head = connection.exactly(9)
            if head is None:
                return " ".join([*results, "closed"])
            length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
            payload = connection.exactly(length)
            if payload is None:
                return " ".join([*results, "closed"])
            if kind == HEADERS and payload[0] != 0x20:
                results.append(str(status(payload)))
            elif kind == RST_STREAM:
                results.append("rst")
            elif kind == GOAWAY:
                results.append("goaway")
            elif kind == SETTINGS and not flags & ACK:
                connection.send(frame(SETTINGS, ACK))
        return " ".join(results)
