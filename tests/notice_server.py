"""A server on this machine that takes what apprise posts to `json://` addresses: it answers, hangs or fails."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import QuietHandler, answering


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

    def notices(self) -> list[tuple[str, list[str]]]:
        """Title and lines of each."""
        return [(str(body["title"]), str(body["message"]).splitlines()) for _, body in self.posted]


@contextmanager
def taking(server: NoticeServer) -> Iterator[NoticeServer]:
    """The server on a free port."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the standard library's own name
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

    with answering(Handler) as port:
        server.port = port
        try:
            yield server
        finally:
            server.stopped.set()
