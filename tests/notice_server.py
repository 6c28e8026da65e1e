"""A server on this machine that takes what apprise posts to `json://` addresses: it answers, hangs or fails."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class NoticeServer:
    """What was posted, by its path. `status` answers it; one that `trickles` sends a byte now and then for ever."""

    status: int = 200
    trickles: bool = False
    posted: list[tuple[str, Any]] = field(default_factory=list)
    port: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def address(self, path: str = "") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"


@contextmanager
def taking(server: NoticeServer) -> Iterator[NoticeServer]:
    """The server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.posted.append((self.path, json.loads(body)))
            self.send_response(server.status)
            self.send_header("Content-Length", "1000" if server.trickles else "0")
            self.end_headers()
            while server.trickles and not server.stopped.wait(0.2):
                try:
                    self.wfile.write(b".")
                    self.wfile.flush()
                except OSError:
                    return

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            http.shutdown()
            thread.join()
