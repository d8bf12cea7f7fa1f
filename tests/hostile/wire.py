"""Raw sockets: sends bytes as listed in a table, and describes the responses in short words."""

import socket
import time

SECONDS = 8  # for every expected response; generous, because the machine may be busy


class Late(AssertionError):
    """Nothing arrived within the time."""


class Connection:
    """One connection, with one deadline for everything."""

    def __init__(self, address, seconds=SECONDS):
        self.deadline = time.monotonic() + seconds
        self.socket = socket.create_connection(address, timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.ended = bytearray(), False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """True if everything could be sent. The peer may close at any time."""
        try:
            self.socket.settimeout(self.left())
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # already closed

    def reset(self):
        """Closes with a reset, like a process that is killed with unread bytes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def left(self):
        if (left := self.deadline - time.monotonic()) <= 0:
            raise Late(f"nothing more arrived; so far: {bytes(self.buffer[:500])!r}")
        return left

    def receive(self):
        """Reads more bytes into the buffer; False at the end."""
        if self.ended:
            return False
        self.socket.settimeout(self.left())
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Late(f"nothing more arrived; so far: {bytes(self.buffer[:500])!r}") from None
        except ConnectionResetError:
            data = b""
        self.buffer += data
        self.ended = not data
        return not self.ended

    def until(self, mark):
        """Takes everything before the mark from the buffer; None if the mark never arrives."""
        while mark not in self.buffer:
            if not self.receive():
                return None
        at = self.buffer.index(mark)
        found = bytes(self.buffer[:at])
        del self.buffer[: at + len(mark)]
        return found

    def exactly(self, length):
        while len(self.buffer) < length:
            if not self.receive():
                return None
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    def response(self, head_alone=False):
        """One HTTP/1 response (status, headers, body); None at the end. A broken one has status 0."""
        while not self.buffer:
            if not self.receive():
                return None
        if not self.buffer.startswith(b"HTTP/1."):
            rest, self.ended = bytes(self.buffer), True
            self.buffer.clear()
            return 0, {}, rest
        if (head := self.until(b"\r\n\r\n")) is None:
            return 0, {}, bytes(self.buffer)
        line, *rest = head.split(b"\r\n")
        status = int(line.split(b" ")[1])
        headers = {name.strip().lower().decode(): value.strip().decode("latin-1") for name, _, value in (one.partition(b":") for one in rest)}
        if status < 200 or head_alone:
            return status, headers, b""
        if "chunked" in headers.get("transfer-encoding", ""):
            body = bytearray()
            while (size := self.until(b"\r\n")) is not None:
                chunk = self.exactly(int(size, 16) + 2)
                if chunk is None:
                    return 0, headers, bytes(body)  # it ended early
                if size.strip(b"0") == b"":
                    return status, headers, bytes(body)
                body += chunk[:-2]
            return 0, headers, bytes(body)
        if "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
            return (status, headers, body) if body is not None else (0, headers, bytes(self.buffer))
        while self.receive():
            pass
        return status, headers, bytes(self.buffer)


def talk(address, pieces, answers=1, seconds=SECONDS):
    """Sends the pieces, reads so many responses, closes its half, and reads on to the end.

    Returns the statuses in order: "200", "100 200", "" for a connection that is closed without a response. 1xx do not
    count as responses.
    """
    with Connection(address, seconds) as connection:
        for piece in [pieces] if isinstance(pieces, bytes) else pieces:
            if not connection.send(piece):
                break
        statuses = []
        head_alone = pieces[:5] == b"HEAD "
        while sum(status >= 200 or status == 0 for status in statuses) < answers and (answer := connection.response(head_alone)):
            statuses.append(answer[0])
        connection.half_close()
        while answer := connection.response():
            statuses.append(answer[0])
        return " ".join(map(str, statuses))
