"""A past decision computed again from what was known then: the same bytes, or the first difference."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.decide import wanted_signals
from nightdesk.day.decision import decided
from nightdesk.day.desk import Day
from nightdesk.day.engineer import engineer_features
from nightdesk.day.retrain import fitted, standing
from nightdesk.day.validate import checked_bars
from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.learning.digest import model_sha256
from nightdesk.ledger.book import book_id
from nightdesk.ledger.file import canonical_json
from nightdesk.ledger.store import Ledger
from nightdesk.settings import Settings
from nightdesk.wiring.desk import open_desk
from nightdesk.wiring.markets import source_of, store_of
from nightdesk.wiring.orders import open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Decision, Mode, Run
from schemas.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Replayed:
    """`difference` names the first key that differs, what was decided and what is computed now; empty where identical."""

    session: date
    decision_sha256: str
    difference: str

    @property
    def identical(self) -> bool:
        return not self.difference


def replays(strategy_name: str, mode: Mode, session: date | None, here: Settings) -> Iterator[Replayed]:
    """Replay a session's decision (each attempt at it), or every decision of the book, oldest first. Writes nothing.

    Bars are read as they were known when the decision was made, the strategy is the one that it was made with, and a model
    whose cut-off is the session is fitted again. Raises `Misconfigured` where the book has no such decision, `OutOfSync` where a
    bar file is not what was written.
    """
    strategy = load_strategy(strategy_name, here)
    book = book_id(mode, strategy.account, strategy.name)
    ledger = open_ledger(mode, here)
    try:
        known = sorted(ledger.decided_sessions(book))
        if not known or (session is not None and session not in known):
            allowed = (
                f"one of the {len(known)} decided from {known[0]} to {known[-1]}" if known else "none: no day was decided yet"
            )
            raise Misconfigured.value("session", str(session or "all"), allowed)
        source = source_of(strategy, here)
        store_of(source, here).require_intact(ledger.bar_files(source.name))
        broken = ledger.broken_links(book)
        for chosen in known if session is None else [session]:
            for attempt in ledger.attempts(book, chosen):
                yield _replayed(chosen, attempt, book, broken.get(chosen, ""), ledger, mode, here)
    finally:
        ledger.close()


def _replayed(session: date, attempt: int, book: str, broken: str, ledger: Ledger, mode: Mode, here: Settings) -> Replayed:
    """One decision, again; one that was tampered with differs whatever comes out, as does one whose model file was changed."""
    sha256, difference = "", ""
    try:
        decision = ledger.decision(book, session, attempt)
        if decision is not None:
            sha256, difference = decision.sha256, _difference(decision, ledger, mode, here)
    except OutOfSync as error:
        difference = error.message
    return Replayed(session, sha256, " ".join(part for part in (broken, difference) if part))


def _difference(decision: Decision, ledger: Ledger, mode: Mode, here: Settings) -> str:
    strategy = Strategy.model_validate(_envelope(decision)["strategy"])
    with past_day(decision, strategy, ledger, mode, here) as day:
        bars = known_bars(day, decision)
        trained = standing(day)
        if trained.attempt is not None and trained.attempt.cutoff == decision.session:
            again = fitted(day, engineer_features(day, bars), bars)[0].estimator
            sha256 = model_sha256(again) if again is not None else ""
            if sha256 != trained.attempt.sha256:
                return f"model.sha256 was {trained.attempt.sha256}, is now {sha256}"
        return first_difference(decision.body, remade(day, bars).body)


@contextmanager
def past_day(decision: Decision, strategy: Strategy, ledger: Ledger, mode: Mode, here: Settings) -> Iterator[Day]:
    """The day of a decision, at its desk again: to look and compute, not to write.

    Raises `OutOfSync` where the strategy has code of its own that is not what was decided with: such code is not run.
    """
    told_strategy: Any = decision.body["strategy"]
    if strategy.own_code is not None and strategy.sha256 != told_strategy["sha256"]:
        was = f"the decision names {told_strategy['sha256']}"
        raise OutOfSync(f"The code of {strategy.own_file} is not run: the strategy's SHA-256 is {strategy.sha256}, {was}.")
    desk = open_desk(strategy, mode, decision.session, ledger, here, looking_back=True)
    run = Run("replay", decision.book_id, decision.session, decision.origin, False, WallClock().now())
    asked = str(_envelope(decision).get("strategy_file", ""))
    day = Day(desk, decision.session, decision.execution_session, run, asked, attempt=decision.attempt)
    told: Any = decision.body.get("flatten", {})
    day.flatten = {name: told[name] for name in told if name != "attempt"}
    yield day


def known_bars(day: Day, decision: Decision) -> pd.DataFrame:
    """The bars as they were known when the decision was made."""
    return checked_bars(day, datetime.fromisoformat(_envelope(decision)["known_until"]))


def remade(day: Day, bars: pd.DataFrame) -> Decision:
    """The decision of a past day on these bars, from the models and the book as they stood."""
    features = engineer_features(day, bars)
    trained = standing(day)
    made, _ = decided(day, wanted_signals(day, features, trained), trained, day.book_state(), bars)
    return made


def _envelope(decision: Decision) -> Any:
    return decision.envelope


def first_difference(was: Any, now: Any, path: str = "") -> str:
    """The first place, in the order of the keys, where two documents differ; "" where their canonical text is equal."""
    if canonical_json(was) == canonical_json(now):
        return ""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            if key not in was or key not in now or canonical_json(was[key]) != canonical_json(now[key]):
                return first_difference(was.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for place, (before, after) in enumerate(zip(was, now, strict=True)):
            if canonical_json(before) != canonical_json(after):
                return first_difference(before, after, f"{path}[{place}]")
    return f"{path} was {canonical_json(was)}, is now {canonical_json(now)}"
