"""A made-up exchange with a clock that tests move, and a paper broker on it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from nightdesk.brokers.broker import OrderRequest
from nightdesk.brokers.paper import Exchange, PaperBroker, Print
from nightdesk.sessions import exchange_sessions
from schemas.trading import Costs

FREE = Costs(commission_bps=0, commission_per_share=0, commission_min=0, slippage_bps=0)
SESSIONS = tuple(stamp.date() for stamp in exchange_sessions("XNYS").between(date(2018, 12, 3), date(2018, 12, 31)))


class PaperMarket:
    """Opens by session and instrument. The clock stands after the close of `today`; no open after it has passed."""

    def __init__(self, sessions: Sequence[date] = SESSIONS) -> None:
        self.sessions = list(sessions)
        self.today = self.sessions[0]
        self._shown: dict[date, dict[str, Print]] = {}

    def show_open(self, session: date, instrument: str, price: float, dividend: float = 0.0, split: float = 1.0) -> None:
        self._shown.setdefault(session, {})[instrument] = Print(price, dividend, split)

    def play_to(self, session: date) -> None:
        self.today = session

    def next_session(self) -> date:
        return self.sessions[self.sessions.index(self.today) + 1]

    def broker(self, path: Path, costs: Costs = FREE, increment: float = 1.0) -> PaperBroker:
        exchange = Exchange(
            now=lambda: exchange_sessions("XNYS").settled_at(self.today),
            opened_since=lambda session: [other for other in self.sessions if session < other <= self.today],
            next_open=self.next_session,
            prints=lambda first, last: {day: shown for day, shown in self._shown.items() if first <= day <= last},
        )
        return PaperBroker(path, "acct", "USD", costs, increment, exchange)

    def request(self, order_id: str, instrument: str, quantity: str) -> OrderRequest:
        """A market order for the next open."""
        return OrderRequest(order_id, instrument, Decimal(quantity), "opg", self.next_session())
