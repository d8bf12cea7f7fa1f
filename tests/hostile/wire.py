"""Raw sockets: bytes as they are written in a table, and what comes back, told in a few words."""

import socket
import time

SECONDS = 8  # for whatever must come: generous, for the machine may be busy


class Late(AssertionError):
    """Nothing came within the time that was given."""


class Connection:
    """One connection, with one deadline for all that is done with it."""

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
        """True if all of it could be sent: the other side may have closed, as it may."""
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
            pass  # it is closed already

    def reset(self):
        """Closes with a reset, as a process that is killed with unread bytes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def left(self):
        if (left := self.deadline - time.monotonic()) <= 0:
            raise Late(f"nothing more came; so far: {bytes(self.buffer[:500])!r}")
        return left

    def receive(self):
        """More bytes into the buffer; False at the end."""
        if self.ended:
            return False
        self.socket.settimeout(self.left())
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Late(f"nothing more came; so far: {bytes(self.buffer[:500])!r}") from None
        except ConnectionResetError:
            data = b""
        self.buffer += data
        self.ended = not data
        return not self.ended

    def until(self, mark):
        """What stands before the mark, taken off the buffer; None if it never comes."""
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
        """One HTTP/1 answer (status, headers, body); None at the end. A broken one has status 0."""
        while not self.buffer:
            if not self.receive():
                return None
        if not self.buffer.startswith(b"HTTP/1."):
            kept, self.ended = bytes(self.buffer), True
            self.buffer.clear()
            return 0, {}, kept
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
                    return 0, headers, bytes(body)  # it was broken off
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
    """Sends the pieces, reads so many answers, closes its half, and reads on to the end.

    Statuses, in order: "200", "100 200", "" for a connection that was closed without a word. 1xx count beside the answers.
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
