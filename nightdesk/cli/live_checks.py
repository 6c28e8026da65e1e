"""What must be so before a strategy trades live: each check, what it rests on, and which option waives it."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from nightdesk.brokers.alpaca_calendar import differences
from nightdesk.brokers.alpaca_requests import LIVE_URL
from nightdesk.brokers.broker import Account, Broker
from nightdesk.cli.deployments import lacking
from nightdesk.clock import WallClock
from nightdesk.day.ruled import NOT_FITTED
from nightdesk.errors import Misconfigured
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.orders.recover import CLOCK_TOLERANCE, recover
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import source_of, store_of
from nightdesk.wiring.orders import new_book, new_broker, open_ledger, open_order_desk
from schemas.evidence import gate_of
from schemas.strategy import Strategy

OWN_LIMITS: Final = ("max_order_notional", "max_position_share", "max_daily_loss", "max_drawdown", "end_date")
"""Keys of [limits] that must stand in the file: a default is nobody's word."""
OVERRIDE: Final = "--override"
OVERRIDE_GATES: Final = "--override-gates"
PAPER_SESSIONS: Final = 21
"""So many sessions, a month, a strategy should have played on paper."""
CALENDAR_SESSIONS: Final = 10
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Candidate:
    """A strategy that is to trade live, with what is asked about it; each thing is fetched once."""

    def __init__(self, strategy: Strategy, here: Settings, ledger: Ledger) -> None:
        self.strategy, self.here, self.ledger = strategy, here, ledger
        self.book = new_book(strategy, "live")

    @cached_property
    def sessions(self) -> Sessions:
        return exchange_sessions(self.strategy.market.calendar)

    @cached_property
    def broker(self) -> Broker:
        store = store_of(source_of(self.strategy, self.here), self.here)
        return new_broker(self.strategy, "live", self.sessions, store, WallClock(), self.here)

    @cached_property
    def account(self) -> Account:
        return self.broker.account()


# Each check returns what was found, or raises.


def _broker(asked: Candidate) -> str:
    if asked.strategy.broker.name == "paper":
        raise Misconfigured.value("broker.name", "paper", "a broker that takes real orders, as alpaca")
    source = source_of(asked.strategy, asked.here)
    if source.span is not None:
        raise Misconfigured.value("market.source", asked.strategy.market.source, "a living market, as yahoo or alpaca")
    return f"{asked.strategy.broker.name}, {asked.strategy.broker.time_in_force} orders, bars from {asked.strategy.market.source}"


def _switches(asked: Candidate) -> str:
    number, environment = asked.strategy.broker.account_number, asked.here.live_account
    if number is None:
        raise Misconfigured("broker.account_number is missing in the strategy file: the number of the account to trade.")
    if environment != number:
        raise Misconfigured.value("NIGHTDESK_LIVE_ACCOUNT", environment, f"{number}, as broker.account_number")
    return f"broker.account_number and NIGHTDESK_LIVE_ACCOUNT are both {number}"


def _address(asked: Candidate) -> str:
    url = asked.here.alpaca_url or LIVE_URL
    parts = urlsplit(url)
    if parts.hostname in LOOPBACK:
        return f"{url}: NIGHTDESK_ALPACA_URL has a server on this machine stand in for Alpaca"
    if (parts.scheme, parts.netloc) != ("https", urlsplit(LIVE_URL).netloc):
        raise Misconfigured.value("NIGHTDESK_ALPACA_URL", url, f"{LIVE_URL}, or empty")
    return url


def _keys(asked: Candidate) -> str:
    return f"they open the account {asked.account.account}"


def _account(asked: Candidate) -> str:
    account, number = asked.account, asked.strategy.broker.account_number
    if account.account != number:
        raise Misconfigured(f"The keys open the account {account.account}, broker.account_number is {number}.")
    if account.blocked:
        raise Misconfigured(f"The account {account.account} takes no orders: {account.blocked}.")
    if account.currency != asked.book.currency:
        raise Misconfigured.value("market.currency", asked.book.currency, f"{account.currency}, as the account is in it")
    return f"{account.account} takes orders, in {account.currency}"


def _clock(asked: Candidate) -> str:
    apart = abs(asked.broker.clock().at - WallClock().now())
    if apart > CLOCK_TOLERANCE:
        allowed = f"at most {CLOCK_TOLERANCE.total_seconds():g} s"
        raise Misconfigured(f"This machine's clock and the broker's are {apart.total_seconds():.0f} s apart, allowed: {allowed}.")
    return f"{apart.total_seconds():.1f} s from the broker's"


def _calendar(asked: Candidate) -> str:
    newest = asked.sessions.latest_settled(WallClock().now())
    first, last = asked.sessions.after(newest), asked.sessions.after(newest, CALENDAR_SESSIONS)
    wrong = differences(asked.sessions, asked.broker.calendar(first, last) or [], first, last)
    if wrong:
        raise Misconfigured(" ".join(wrong[:3]))
    return f"the broker has the same {CALENDAR_SESSIONS} sessions from {first} to {last}"


def _limits(asked: Candidate) -> str:
    limits = asked.strategy.limits
    unset = [f"limits.{name}" for name in OWN_LIMITS if name not in limits.model_fields_set or getattr(limits, name) is None]
    if unset:
        raise Misconfigured(f"Not set in the strategy file: {', '.join(unset)}. To go live, each is your own word, no default.")
    newest = asked.sessions.latest_settled(WallClock().now())
    if limits.end_date is not None and limits.end_date <= newest:
        raise Misconfigured.value("limits.end_date", str(limits.end_date), f"a session after {newest}")
    return ", ".join(f"{name} {getattr(limits, name)}" for name in OWN_LIMITS)


def _capital(asked: Candidate) -> str:
    known, capital = asked.ledger.book(asked.book.book_id), asked.book.capital
    if known is not None and known.opened is not None:
        return f"the book was opened on {known.opened} with {known.capital:f} {known.currency}"
    if capital > asked.account.cash:
        raise Misconfigured.value("capital", f"{capital:f}", f"up to {asked.account.cash:f}, the cash of the account")
    return f"{capital:f} of the account's {asked.account.cash:f} {asked.account.currency}"


def _state(asked: Candidate) -> str:
    control = asked.ledger.control(asked.book.book_id)
    if control is not None:
        raise Misconfigured(f"The book is {control.state} by {control.who}: {control.reason}. `nightdesk resume` releases it.")
    return f"{asked.book.book_id} is ACTIVE"


def _outside(asked: Candidate) -> str:
    waiting = asked.ledger.outside_changes(asked.book.book_id, waiting=True)
    if waiting:
        raise Misconfigured(f"Nobody has taken over: {' '.join(row.sentence for row in waiting)}")
    return "none that waits"


def _books(asked: Candidate) -> str:
    """As a day settles, on the copy of the ledger: the broker is only read."""
    session = asked.sessions.latest_settled(WallClock().now())
    desk = open_order_desk(asked.strategy, "live", session, asked.ledger, asked.here)
    with closing(desk.broker):
        recover(desk, session)
    return "the broker's positions and cash are those of the ledger"


def _paper(asked: Candidate) -> str:
    played = len(_paper_marks(asked))
    if played < PAPER_SESSIONS:
        raise Misconfigured(f"The paper book of {asked.strategy.name} has played {played} sessions, wanted: {PAPER_SESSIONS}.")
    return f"{played} sessions were played"


def _paper_marks(asked: Candidate) -> Sequence[object]:
    if not ledger_file(asked.here.ledgers, "paper").exists():
        return ()
    with closing(open_ledger("paper", asked.here)) as ledger:
        return ledger.marks(new_book(asked.strategy, "paper").book_id)


def _gate(asked: Candidate) -> str:
    """The newest fit of the paper book; what is not fitted has its backtest alone."""
    if asked.strategy.kind != "model":
        return f"{NOT_FITTED[asked.strategy.kind]}: its evidence is its backtest"
    if not ledger_file(asked.here.ledgers, "paper").exists():
        raise Misconfigured("No model was fitted yet.")
    with closing(open_ledger("paper", asked.here)) as ledger:
        models = ledger.models(new_book(asked.strategy, "paper").book_id)
    own = [model for model in models if model.config_sha256 == asked.strategy.learning_sha256]
    if not own or own[-1].status != "passed":
        said = f"of {own[-1].cutoff}: {own[-1].reason}" if own else "by this strategy file: there is none"
        raise Misconfigured(f"The newest fit {said}.")
    return f"{own[-1].reason} (fit of {own[-1].cutoff})"


def _evidence(asked: Candidate) -> str:
    """What the honest gates said of the newest backtest of this very configuration."""
    strategy, found, tried = asked.strategy, None, 0
    if ledger_file(asked.here.ledgers, "paper").exists():
        with closing(open_ledger("paper", asked.here)) as ledger:
            found = ledger.evidence_of(strategy.config_sha256)
            tried = len(ledger.trials_of(strategy.target_sha256))
    if found is None:
        raise Misconfigured(
            f"No backtest of this strategy file, as it is now, is on record: `nightdesk backtest {strategy.name}`."
        )
    gates = [gate_of(document) for document in found.gates]
    span = f"the backtest from {found.first} to {found.last}"
    if failed := [f"{gate.name}: {gate.needed}" for gate in gates if not gate.passed]:
        raise Misconfigured(f"Of {span} {len(failed)} of {len(gates)} gates did not pass. {' '.join(failed)}")
    counted = max((int(gate.figures["n_trials"]) for gate in gates if gate.name == "deflated Sharpe"), default=tried)
    if tried > counted:
        raise Misconfigured(
            f"{tried - counted} more configurations were tried since {span}: `nightdesk backtest {strategy.name}`."
        )
    return f"{', '.join(gate.name for gate in gates)} passed, in {span}"


def _notices(asked: Candidate) -> str:
    """Said, not required."""
    told = bool(asked.here.notify.get_secret_value())
    return "NIGHTDESK_NOTIFY is set" if told else "nobody is told when a day needs a person: NIGHTDESK_NOTIFY is not set"


def _prefect(asked: Candidate) -> str:
    if why := lacking(asked.here):
        raise Misconfigured(f"{why[:1].upper()}{why[1:]}.")
    return "its server has the flows daily and submit"


REACHED = ("broker", "switches", "address", "keys")
CHECKS: dict[str, tuple[Callable[[Candidate], str], Sequence[str]]] = {
    "broker": (_broker, ()),
    "switches": (_switches, ("broker",)),
    "address": (_address, ("broker",)),
    "keys": (_keys, ("broker", "switches", "address")),
    "account": (_account, REACHED),
    "clock": (_clock, REACHED),
    "calendar": (_calendar, REACHED),
    "limits": (_limits, ()),
    "capital": (_capital, REACHED),
    "state": (_state, ()),
    "outside": (_outside, ()),
    "books": (_books, (*REACHED, "account", "clock", "capital")),
    "paper": (_paper, ()),
    "gate": (_gate, ()),
    "evidence": (_evidence, ()),
    "notices": (_notices, ()),
    "prefect": (_prefect, ()),
}
WAIVABLE: Final = {"paper": (OVERRIDE,), "gate": (OVERRIDE, OVERRIDE_GATES), "evidence": (OVERRIDE_GATES,)}
"""Which options waive a check."""
