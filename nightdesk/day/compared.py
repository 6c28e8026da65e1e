"""Champion and challenger beside one another: their paper books on the sessions that neither has seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

import pandas as pd
from pydantic import ValidationError

from nightdesk.day.gates import LEVEL
from nightdesk.day.report import equity_frame
from nightdesk.errors import Misconfigured
from nightdesk.ledger.store import Ledger
from nightdesk.performance.gates import challenger_gate, unseen
from nightdesk.performance.metrics import benchmark_returns, session_returns
from nightdesk.wiring.orders import new_book
from schemas.evidence import GateResult, gate_document, gate_of
from schemas.records import Json
from schemas.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of two strategies: the gate on their paper returns, paired, over `sessions` sessions after `cut_offs` and the
    purge, and in words what the newest backtest of each showed."""

    champion: Strategy
    challenger: Strategy
    cut_offs: tuple[date, ...]
    purge_sessions: int
    sessions: tuple[date, ...]
    gate: GateResult | None
    backtests: tuple[str, str]

    def document(self) -> dict[str, object]:
        """As plain JSON."""
        named = {"champion": self.champion, "challenger": self.challenger}
        return {
            **{name: {"name": row.name, "config_sha256": row.config_sha256} for name, row in named.items()},
            "cut_offs": [day.isoformat() for day in self.cut_offs],
            "purge_sessions": self.purge_sessions,
            "sessions": len(self.sessions),
            "first": self.sessions[0].isoformat() if self.sessions else None,
            "last": self.sessions[-1].isoformat() if self.sessions else None,
            "gate": gate_document(self.gate) if self.gate else None,
            "backtests": list(self.backtests),
        }


def compared(champion: Strategy, challenger: Strategy, ledger: Ledger) -> Comparison:
    """The two on the sessions that both their paper books have, after the latest cut-off and the longest label.

    A cut-off is the first fit of a book, since what it trades later was fitted on what was past then; the first session that the
    book decided as the file stands now, since another configuration earned what is before; and the last session of each search
    that tried the configuration, since it was chosen for what it did up to there. Raises `Misconfigured` where the two read or
    trade different things, or trade them otherwise.
    """
    _require_comparable(champion, challenger)
    both = (champion, challenger)
    purge = max(strategy.target.horizon_sessions if strategy.kind == "model" else 0 for strategy in both)
    backtests = (_backtest(champion, ledger), _backtest(challenger, ledger))
    returns = _paired(both, ledger)
    own = [_own_cut_offs(strategy, ledger) for strategy in both]
    cut_offs = [day for strategy, days in zip(both, own, strict=True) for day in (*days, *_searched(strategy, ledger))]
    if returns.empty or not all(own):
        return Comparison(champion, challenger, tuple(cut_offs), purge, (), None, backtests)
    counted = unseen(returns.index, cut_offs, purge)
    gate = challenger_gate(
        returns.index,
        returns["champion"],
        returns["challenger"],
        returns["benchmark"],
        cut_offs=cut_offs,
        purge_sessions=purge,
        level=LEVEL,
    )
    sessions = tuple(stamp.date() for stamp in returns.index[counted])
    return Comparison(champion, challenger, tuple(cut_offs), purge, sessions, gate, backtests)


def _require_comparable(champion: Strategy, challenger: Strategy) -> None:
    if champion.name == challenger.name:
        raise Misconfigured.value("challenger", challenger.name, "another strategy than the champion, with a name of its own")
    for key in ("source", "calendar", "currency", "instruments", "membership"):
        was, wanted = getattr(challenger.market, key), getattr(champion.market, key)
        if was != wanted:
            raise Misconfigured(f"market.{key} of {challenger.name} is not that of {champion.name}: they cannot be compared.")
    for key in ("sizing", "costs", "limits"):
        if getattr(challenger, key) != getattr(champion, key):
            raise Misconfigured(
                f"[{key}] of {challenger.name} is not that of {champion.name}, which a promotion leaves as it is: what the two "
                "earned cannot be compared."
            )


def _paired(both: Sequence[Strategy], ledger: Ledger) -> pd.DataFrame:
    """Returns of the two paper books and of the champion's benchmark, on the sessions that all have; by session."""
    frames = [equity_frame(ledger.marks(new_book(strategy, "paper").book_id)) for strategy in both]
    champion, challenger = (session_returns(frame) for frame in frames)
    columns = {"champion": champion, "challenger": challenger, "benchmark": benchmark_returns(frames[0])}
    return pd.concat(columns, axis=1, join="inner").dropna()


def _own_cut_offs(strategy: Strategy, ledger: Ledger) -> list[date]:
    """What the book of a strategy itself says; nothing where it was not played as its file stands."""
    book_id = new_book(strategy, "paper").book_id
    if strategy.kind == "model":
        begun = [model.cutoff for model in ledger.models(book_id) if model.config_sha256 == strategy.learning_sha256]
    else:  # nothing is fitted: what it does in its book's first session was chosen before
        begun = [mark.session for mark in ledger.marks(book_id)]
    decided = ledger.strategies(book_id)
    as_now = list(takewhile(lambda row: _config_sha256(row[1]) == strategy.config_sha256, reversed(decided)))
    return [*begun[:1], *(session for session, _ in as_now[-1:])] if begun and (as_now or not decided) else []


def _config_sha256(document: Json) -> str:
    """The configuration of a strategy as a decision kept it, "" where this version knows it no longer."""
    try:
        return Strategy.model_validate(document).config_sha256
    except ValidationError:
        return ""


def _searched(strategy: Strategy, ledger: Ledger) -> list[date]:
    return [trial.last for trial in ledger.trials_of_configuration(strategy.config_sha256) if trial.origin == "search"]


def _backtest(strategy: Strategy, ledger: Ledger) -> str:
    found = ledger.evidence_of(strategy.config_sha256)
    if found is None:
        return f"{strategy.name}: no backtest on record"
    gates = [gate_of(document) for document in found.gates]
    said = ", ".join(f"{gate.name} {'passed' if gate.passed else 'not passed'}" for gate in gates)
    return f"{strategy.name}: backtest from {found.first} to {found.last}: {said}"
