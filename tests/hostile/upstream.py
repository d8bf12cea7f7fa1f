"""An upstream on a raw socket, which does what no server library would.

A script is a function of a socket and the request that was read from it. When it returns, the connection is closed.
"""

import socket
import threading
import time


class ReceivedRequest:
    """A request that an upstream received."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        self.line = head.split(b"\r\n")[0].decode("latin-1")

    def number(self):
        return int((self.line + self.body.decode()).split("play_")[1].split("_")[0])


class Upstream:
    """Listens on a free local port, and runs a script for each connection: the one whose number is in the model's
    name (`play_7_`)."""

    def __init__(self, script=None):
        self.scripts, self.only = [], script
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(30)
        with connection:
            try:
                request = read(connection)
                if request is not None:
                    (self.only or self.scripts[request.number()])(connection, request)
            except OSError:
                pass  # the gateway may close the connection

    def close(self):
        self.listener.close()


def read(connection):
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        if not (data := connection.recv(1 << 16)):
            return None
        buffer += data
    head, body = buffer.split(b"\r\n\r\n", 1)
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    length = int(lengths[0]) if lengths else 0
    while len(body) < length:
        if not (data := connection.recv(1 << 16)):
            return None
        body += data
    return ReceivedRequest(head, body)


def says(*pieces):
    """Sends these pieces, and closes."""
    def script(connection, _):
        for piece in pieces:
            connection.sendall(piece)
    return script


def whole(body, *headers, status=b"200 OK", content_type=b"application/json"):
    lines = [b"HTTP/1.1 " + status, b"content-type: " + content_type, b"connection: close", *headers, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def endless(first, again, seconds=60):
    """Sends as long as the peer reads, at most a minute."""
    def script(connection, _):
        end = time.monotonic() + seconds
        connection.sendall(first)
        while time.monotonic() < end:
            connection.sendall(again)
    return script


def silent(*pieces):
    """Sends these pieces, and then nothing until the gateway closes."""
    def script(connection, _):
        for piece in pieces:
            connection.sendall(piece)
        connection.recv(1)
    return script


def reset(*pieces):
    """Sends these pieces, and closes with a reset."""
    def script(connection, _):
        for piece in pieces:
            connection.sendall(piece)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return script


def drips(piece, pause):
    """Sends a byte at a time. The pause itself is tested; nothing waits for it."""
    def script(connection, _):
        for byte in piece:
            connection.sendall(bytes([byte]))
            time.sleep(pause)
    return script
