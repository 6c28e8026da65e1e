"""The connections of one account to Alpaca: one for reads and one for what is sent once, each kept while it works."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import SecretStr

from nightdesk.alpaca_http import REFUSED_KEYS, ReadTransport, fetch_answer, read_through, send_once, within
from nightdesk.brokers.alpaca_budget import Budget
from nightdesk.brokers.alpaca_fields import rows_of, text_of
from nightdesk.errors import Misconfigured, TryAgain

if TYPE_CHECKING:
    from alpaca.trading.client import TradingClient

READ_DEADLINE_S: Final = 300.0
"""For one read with all its pages, attempts and waits."""
IDLE_S: Final = 30.0
"""A connection that nobody used for so long may be gone without a word: another is opened."""

Result = TypeVar("Result")


class AlpacaWire:
    """Requests to `url`. `requests_a_minute` bounds all that it sends, None: no bound. For one thread at a time."""

    def __init__(
        self, key_id: str, secret_key: SecretStr, url: str, requests_a_minute: int | None, submit_deadline_s: float
    ) -> None:
        self._key_id, self._secret_key, self._url = key_id, secret_key, url
        self._submit_deadline_s = submit_deadline_s
        self._budget = Budget(requests_a_minute)
        self._reader: tuple[TradingClient, ReadTransport] | None = None
        self._sender: TradingClient | None = None
        self._read_at = self._sent_at = 0.0

    def close(self) -> None:
        """Let go of both connections."""
        self._drop_reader()
        if self._sender is not None:
            self._sender._session.close()
        self._sender = None

    def read(self, ask: "Callable[[TradingClient], Result]") -> Result:
        """An answer, asked for again where Alpaca is busy. Whatever else is not one raises `TryAgain`; only the keys do not."""
        if self._reader is None or monotonic() - self._read_at > IDLE_S:
            self._drop_reader()
            client = self._client()
            self._reader = client, read_through(client, self._budget.await_turn)
        client, transport = self._reader
        transport.begin()
        try:
            return within(READ_DEADLINE_S, lambda: fetch_answer(lambda: ask(client)))
        except Misconfigured as error:
            if error.values.get("status") in REFUSED_KEYS:
                raise
            missed = error
        except TryAgain:
            self._drop_reader()  # it may still be busy
            raise
        finally:
            self._read_at = monotonic()
        raise TryAgain(missed.message, **missed.values)

    def await_turn(self) -> None:
        """Wait until a request may be sent, and count it. Raises `TryAgain` where that would take too long."""
        self._budget.await_turn()

    def send(self, ask: "Callable[[TradingClient], Result]") -> Result:
        """Send an order or a cancel, once, after `await_turn`. `TryAgain` says that nobody knows what became of it."""
        if self._sender is None or monotonic() - self._sent_at > IDLE_S:
            self._sender = self._client()
            send_once(self._sender)
        client = self._sender
        try:
            return within(self._submit_deadline_s, lambda: fetch_answer(lambda: ask(client)))
        except TryAgain as error:
            self._sender = None  # its connection may still be busy
            if isinstance(wait_s := error.values.get("wait_s"), float):
                self._budget.close_for(wait_s)
            raise
        finally:
            self._sent_at = monotonic()

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader[0]._session.close()
        self._reader = None

    def _client(self) -> "TradingClient":
        from alpaca.trading.client import TradingClient

        return TradingClient(self._key_id, self._secret_key.get_secret_value(), raw_data=True, url_override=self._url)


def all_pages(client: "TradingClient", path: str, query: dict[str, Any], token: str) -> list[dict[str, Any]]:
    """The rows of all pages, until one is empty: a short page may be one that was cut. `token` names the last row seen."""
    rows: dict[str, dict[str, Any]] = {}
    while page := rows_of(client.get(path, query), path.rpartition("/")[2]):
        for row in page:
            if text_of(row, "id", "row") in rows:
                raise TryAgain(f"Alpaca gave a row of {path} twice.")
            rows[row["id"]] = row
        query = {**query, token: page[-1]["id"]}
        if token == "after_order_id":
            query.pop("after", None)  # the two exclude one another
    return list(rows.values())
