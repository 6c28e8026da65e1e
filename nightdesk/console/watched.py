"""What is watched of a book: live against expected, drift, the heartbeat, honest gates, challengers and promotions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightdesk.ledger.store import Ledger
from nightdesk.performance.attribution import PARTS
from nightdesk.performance.gate_words import gate_sentence
from schemas.evidence import Evidence, Replacement, gate_of
from schemas.records import Book, Decision, Gap, ModelRef, Run
from schemas.strategy import Expected, Strategy

REPLACEMENTS_SHOWN, CHALLENGERS_SHOWN, TOLD_SHOWN = 5, 20, 5


@dataclass(frozen=True, slots=True)
class Drifted:
    """How far a feature, or what is predicted, lies from the training window; `index` is None where nothing could be compared."""

    name: str
    index: float | None
    chance: float | None
    word: str


@dataclass(frozen=True, slots=True)
class Drift:
    """The newest comparison: of `sessions` sessions up to `session` with the training window."""

    session: date | None
    sessions: int
    window: tuple[str, str]
    rows: tuple[Drifted, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """What a page warns of. `last_gap` is None before the first compared session, `drift` where no model trades."""

    last_gap: Gap | None
    tolerance_bps: float
    told: tuple[tuple[Run, bool], ...]
    drift: Drift | None

    @property
    def large_gap(self) -> bool:
        return self.last_gap is not None and abs(self.last_gap.gap_bps) > self.tolerance_bps

    @property
    def unreported(self) -> tuple[Run, ...]:
        """What the heartbeat said of sessions that have no report to this day."""
        return tuple(run for run, ended in self.told if not ended)

    @property
    def moved(self) -> tuple[Drifted, ...]:
        return tuple(row for row in self.drift.rows if row.word == "moved") if self.drift else ()


@dataclass(frozen=True, slots=True)
class GapTable:
    """The last gap beside the sums since the first compared session: a line for each part."""

    last: Gap
    since: date
    sessions: int
    parts: tuple[tuple[str, float, float], ...]
    gap: float
    gap_total: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an honest gate said, in a sentence."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Learning:
    """The evidence for what a book trades: the gates of its newest fit, those of its configuration's newest backtest (None where
    there is none), other paper books that aim at the same with the sessions they have, what was done to its file."""

    fit: tuple[Verdict, ...]
    backtest: Evidence | None
    tested: tuple[Verdict, ...]
    challengers: tuple[tuple[Book, int], ...]
    replaced: tuple[tuple[Replacement, Verdict | None], ...]


def watched(ledger: Ledger, book: Book, decision: Decision | None, runs: Sequence[Run]) -> Watched:
    """What there is to warn of; drift is that of the newest of `runs` that has one."""
    compared = next((run for run in runs if run.detail.get("drift")), None)
    told = tuple(ledger.told_of(book.book_id, TOLD_SHOWN))
    return Watched(ledger.last_gap(book.book_id), _tolerance_bps(decision), told, _drift(compared) if compared else None)


def gap_table(ledger: Ledger, last: Gap | None) -> GapTable | None:
    """None before the first compared session."""
    if last is None:
        return None
    sums = ledger.gap_sums(last.book_id, ("expected", "actual", *PARTS))
    parts = tuple((name, float(getattr(last, name)), sums[name]) for name in PARTS)
    return GapTable(last, sums["since"], sums["sessions"], parts, float(last.gap), sums["actual"] - sums["expected"])


def learning(paper: Ledger, book: Book, decision: Decision | None, newest: ModelRef | None) -> Learning:
    """Backtests, challengers and promotions are in the paper ledger, for a live book too."""
    document = _strategy(decision)
    strategy = Strategy.model_validate(document) if decision and "deadline" in decision.envelope else None
    evidence = paper.evidence_of(strategy.config_sha256) if strategy else None
    return Learning(
        fit=_verdicts(newest.gates) if newest else (),
        backtest=evidence,
        tested=_verdicts(evidence.gates) if evidence else (),
        challengers=tuple(_challengers(paper, book, document)),
        replaced=tuple((row, _compared(row)) for row in paper.recent_replacements(book.strategy, REPLACEMENTS_SHOWN)),
    )


def _strategy(decision: Decision | None) -> Any:
    """The strategy of a decision as it was then; empty where there is none."""
    return decision.envelope.get("strategy", {}) if decision else {}


def _tolerance_bps(decision: Decision | None) -> float:
    return float(_strategy(decision).get("expected", {}).get("tolerance_bps", Expected().tolerance_bps))


def _drift(run: Run) -> Drift:
    found: Any = run.detail["drift"]
    named = {**found["inputs"], "predictions": found["predictions"]}
    rows = tuple(Drifted(name, row.get("index"), row.get("chance"), row.get("word", "")) for name, row in named.items())
    first, last = found["window"]
    return Drift(run.session, found["sessions"], (first, last), rows)


def _verdicts(gates: Any) -> tuple[Verdict, ...]:
    found = [gate_of(document) for document in gates]
    return tuple(Verdict(gate.name, gate.passed, gate_sentence(gate)) for gate in found)


def _compared(row: Replacement) -> Verdict | None:
    """What the gate on challengers said when a file was replaced; None of a rollback, or where there was nothing to compare."""
    document = row.evidence.get("gate")
    return _verdicts([document])[0] if document else None


def _challengers(paper: Ledger, book: Book, strategy: Mapping[str, Any]) -> list[tuple[Book, int]]:
    """Paper books of other strategies that read, trade and predict the same."""
    if "target" not in strategy:
        return []
    found = []
    for other in [row for row in paper.books() if row.strategy != book.strategy][:CHALLENGERS_SHOWN]:
        if _aim(_strategy(paper.last_decision(other.book_id))) == _aim(strategy):
            found.append((other, paper.n_marks(other.book_id)))
    return found


def _aim(strategy: Mapping[str, Any]) -> tuple[object, ...]:
    market = strategy.get("market", {})
    return market.get("source"), market.get("instruments"), strategy.get("target")
