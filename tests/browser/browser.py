"""Pages in a real browser: their server, and Chromium.

A page runs a script and sends the result to its own server, which waits for it. Nothing drives the browser.
"""

import asyncio
import contextlib
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 60  # a browser starts slowly on a busy machine
TYPES = {".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript"}
# No look-ups, updates or telemetry: the browser only connects to loopback.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions",
]  # fmt: skip


class Pages:
    """Serves the files of folders on a local port, and collects what their pages report."""

    def __init__(self, address="127.0.0.1", port=0, **folders):
        self.folders = {"": HERE / "pages"} | folders
        self.reports = queue.Queue()
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0].lstrip("/")
                folder, _, rest = path.partition("/")
                if not (rest and folder in pages.folders):
                    folder, rest = "", path
                file = pages.folders[folder] / rest
                if ".." in path or not file.is_file():
                    return self.respond(404, "text/plain", b"")
                self.respond(200, TYPES.get(file.suffix, "text/plain"), file.read_bytes())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                pages.reports.put(json.loads(body))
                self.respond(200, "text/plain", b"")

            def respond(self, status, kind, body):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((address, port), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def report(self):
        return self.reports.get(timeout=SECONDS)


class Rebinding:
    """An address that first leads to a page's server, and after the page's first report to the gateway: what an
    attacker does who owns a name and rebinds its DNS record."""

    def __init__(self, pages, gateway, address="127.0.0.2"):
        self.pages, self.gateway, self.address = pages, gateway, address
        self.rebound = threading.Event()

    def __enter__(self):
        listening = threading.Event()
        self.loop = asyncio.new_event_loop()

        async def serve():
            self.server = await asyncio.start_server(self.connection, self.address, self.gateway[1])
            listening.set()

        def run():
            self.loop.run_until_complete(serve())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        assert listening.wait(SECONDS)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def connection(self, reader, writer):
        there = self.gateway if self.rebound.is_set() else ("127.0.0.1", self.pages.port)
        far_reader, far_writer = await asyncio.open_connection(*there)

        async def pump(source, sink):
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


def chromium():
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not found:
        raise FileNotFoundError("no Chromium: run scripts/chromium.sh as root, or name one in CHROMIUM")
    return found


@contextlib.contextmanager
def visiting(url, **names):
    """Opens a page with names (dots as underscores) that resolve to addresses, and closes the browser at the
    end."""
    rules = ",".join(f"MAP {name.replace('_', '.')} {address}" for name, address in names.items())
    with tempfile.TemporaryDirectory(prefix="outrigger-browser-", ignore_cleanup_errors=True) as profile:
        command = [chromium(), *FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", url]
        log = Path(profile, "log")
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command, env=os.environ | {"HOME": profile}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            print(log.read_text(errors="replace")[-3_000:])  # pytest shows it with a failure


