"""Alpaca's stub as it is between two moments: a request that was sent and not taken, or taken and not answered."""

import threading
from dataclasses import dataclass, field

from tests.alpaca_data_server import Reply
from tests.alpaca_faults import BY_CLIENT_ID, ORDERS
from tests.alpaca_stub import AlpacaStub, Asked

WAIT_S = 60
HELD = ("request sent", "broker accepted")
"""Points at which the stub holds on to the request, before it takes it and after."""


@dataclass
class HoldingStub(AlpacaStub):
    """A stub that holds on to the first order at a point, until somebody looks for it or `seen` is set. One that it had not taken
    yet lands right after that look has missed it."""

    point: str = ""
    arrived: threading.Event = field(default_factory=threading.Event)
    seen: threading.Event = field(default_factory=threading.Event)
    landed: threading.Event = field(default_factory=threading.Event)

    def reply(self, asked: Asked) -> Reply:
        if self.point in HELD and asked.method == "POST" and asked.path == ORDERS and not self.arrived.is_set():
            return self._held(asked)
        reply = super().reply(asked)
        if asked.path == BY_CLIENT_ID and self.arrived.is_set():
            self.seen.set()
            self.landed.wait(WAIT_S)
        return reply

    def let_go(self) -> None:
        """Whatever is still held lands now."""
        self.seen.set()
        assert not self.arrived.is_set() or self.landed.wait(WAIT_S)

    def _held(self, asked: Asked) -> Reply:
        taken = super().reply(asked) if self.point == "broker accepted" else None
        self.arrived.set()
        self.seen.wait(WAIT_S)
        reply = taken or super().reply(asked)
        self.landed.set()
        return reply
