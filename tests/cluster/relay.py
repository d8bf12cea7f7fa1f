"""Connections that a test can cut: a relay on a local port, in front of another one."""

import asyncio
import threading

SECONDS = 30


class Relay:
    """Relays connections from `port` to `to`, as long as the block lasts."""

    def __init__(self, port, to):
        self.port, self.to = port, to
        self.loop, self.writers = asyncio.new_event_loop(), set()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.server = self.on_loop(asyncio.start_server(self.relay, "127.0.0.1", self.port))
        return self

    def __exit__(self, *_):
        self.server.close()
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SECONDS)

    def on_loop(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(SECONDS)

    def cut(self):
        """Resets all connections."""

        async def abort():
            for writer in self.writers:
                writer.transport.abort()

        self.on_loop(abort())

    async def relay(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            return writer.transport.abort()
        pair = (writer, far_writer)
        self.writers.update(pair)
        try:
            await asyncio.gather(self.pump(reader, far_writer), self.pump(far_reader, writer))
        finally:
            self.writers.difference_update(pair)
            for one in pair:
                one.transport.abort()

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        # The other side ends too: these peers never close only one direction.
        writer.close()
