"""Step 1: new and changed bars into the store."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
from tenacity import RetryCallState, Retrying, retry_if_result, stop_before_delay, wait_fixed

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day, step
from nightdesk.day.rewritten import changed_decisions, restatement_summary
from nightdesk.day.set_aside import quarantined_bars
from nightdesk.day.validate import judged, note_findings
from nightdesk.errors import BadData
from nightdesk.market.checks import SET_ASIDE
from nightdesk.market.restated import KEY, bars_to_store, restatements
from nightdesk.market.store import Appended
from schemas.bars import Bars
from schemas.findings import Finding, Restatement

OVERLAP_SESSIONS = 60
"""So many stored sessions are fetched again each day, to notice a vendor that rewrites the past; all of them once a month."""

LATE_VOLUME_SESSIONS = 3
"""Volume of so many last sessions may still come in: it is late, not restated."""

LATE = ("missing_last_bar", "not_finite")
ASKS_WHILE_WAITING = 10

Batch = tuple[pd.DataFrame, tuple[Finding, ...]]


@step("ingest")
def ingest_bars(day: Day) -> Appended:
    """Fetch the bars up to the session and append what is new or changed.

    Nothing is stored of a symbol whose bars have errors; the bars that are named are set aside in the quarantine. Too few sound
    symbols: `BadData` with every finding. A past that the vendor changed without an action behind it is set aside too, and
    stops the day before it decides. Raises `TryAgain` where the source could not be reached, `OutOfSync` where a file of the
    bar store is not what was written.
    """
    desk = day.desk
    desk.store.require_intact(desk.ledger.bar_files(desk.source.name))
    stored = desk.store.last_session(desk.strategy.data_symbols)
    full = stored is not None and (stored.year, stored.month) != (day.session.year, day.session.month)
    batch, found = _patiently_fetched(day, None if full else stored)
    found = tuple(_dealt_with(row) for row in found)
    note_findings(day, found)
    sound = batch[~batch[Bars.symbol].isin(_failing(found))].reset_index(drop=True)
    wrong = [row for row in found if row.severity == "error" and row.code in SET_ASIDE]
    desk.quarantine.append_bars(quarantined_bars(batch, wrong, WallClock().now()))
    _require_coverage(day, found)
    appended = _append(day, sound)
    if full:
        desk.store.compact_bars()
    recorded = desk.ledger.bar_files(desk.source.name)
    desk.ledger.append_bar_files(desk.source.name, desk.store.file_sha256s(known=recorded), WallClock().now())
    return appended


def _patiently_fetched(day: Day, stored: date | None) -> Batch:
    """The bars and what is wrong with them. While nothing is but the last bar, and the market is a living one: ask again."""
    patience_s = _patience_s(day)
    asking = Retrying(
        retry=retry_if_result(lambda batch: _is_late(batch[1], day.session)),
        stop=stop_before_delay(patience_s),
        wait=wait_fixed(patience_s / ASKS_WHILE_WAITING),
        before_sleep=_say_why,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    batch: Batch = asking(_fetched, day, stored)
    return batch


def _patience_s(day: Day) -> float:
    if day.desk.source.span is not None or day.run.origin == "backfill":
        return 0.0
    until_deadline = (day.desk.deadline(day.execution_session) - day.desk.clock.now()).total_seconds()
    return max(0.0, min(60 * day.desk.strategy.market.late_bar_wait_min, until_deadline))


def _is_late(found: Iterable[Finding], session: date) -> bool:
    """Whether nothing is wrong but that the session's bar is not there, or not whole: a vendor may be writing it yet."""
    wrong = [row for row in found if row.severity == "error"]
    return bool(wrong) and all(row.code in LATE and set(row.sessions) == {session} for row in wrong)


def _say_why(state: RetryCallState) -> None:
    batch: Any = state.outcome.result() if state.outcome else None
    late = [row.message for row in batch[1] if row.severity == "error"]
    pause = state.next_action.sleep if state.next_action else 0
    logging.getLogger(__name__).warning("%s Asking again in %.0f s.", " ".join(late), pause)


def _fetched(day: Day, stored: date | None) -> Batch:
    """One answer of the source, and what is wrong with it: what came after `stored` and the overlap before it; the whole history
    where that is None, or where there is a dividend or a split that is new."""
    symbols, first = day.desk.strategy.data_symbols, _first_session(day, stored)
    batch = day.desk.source.fetch_bars(symbols, first, day.session)
    if stored is not None and _has_action(batch[batch[Bars.session] > pd.Timestamp(stored)]):
        first = _first_session(day, None)
        batch = day.desk.source.fetch_bars(symbols, first, day.session)
    day.notes = list(batch.attrs.get("notes", ()))
    return batch, judged(day, batch, first)


def _first_session(day: Day, stored: date | None) -> date:
    desk = day.desk
    begin = max(desk.sessions.first, desk.source.span[0] if desk.source.span else desk.sessions.first)
    return begin if stored is None else max(begin, desk.sessions.before(min(stored, day.session), OVERLAP_SESSIONS))


def _has_action(bars: pd.DataFrame) -> bool:
    return bool(((bars[Bars.dividend] != 0) | (bars[Bars.split] != 1)).any())


def _dealt_with(found: Finding) -> Finding:
    """The finding with what becomes of the bars that it names."""
    if found.severity != "error":
        return found
    return replace(found, done="quarantined" if found.code in SET_ASIDE else "refused")


def _failing(found: Iterable[Finding]) -> set[str]:
    return {row.symbol for row in found if row.severity == "error"}


def _require_coverage(day: Day, found: tuple[Finding, ...]) -> None:
    """Raise `BadData` where the share of symbols without an error is too small."""
    market, symbols = day.desk.strategy.market, day.desk.strategy.data_symbols
    failing = _failing(found)
    if failing - set(symbols) or (len(symbols) - len(failing)) / len(symbols) < market.min_coverage:
        errors = tuple(row for row in found if row.severity == "error")
        raise BadData(" ".join(row.message for row in errors), findings=errors)


def _append(day: Day, sound: pd.DataFrame) -> Appended:
    desk, known_at = day.desk, WallClock().now()
    restated = _restated(day, sound)
    summary = restatement_summary(restated)
    if any(row.explained != "late volume" for row in restated):
        summary["decisions"] = changed_decisions(day, sound, restated)
    trusted = bars_to_store(sound, restated)
    desk.ledger.append_restatements(day.run.run_id, restated)  # first: once they are stored, no later run finds them
    appended = desk.store.append_bars(trusted, desk.sessions, known_at)
    day.detail["bars"] = {"new": appended.new, "restated": appended.restated}
    day.detail["restated"] = summary
    if aside := [row for row in restated if row.done == "quarantined"]:
        day.disputed = str(summary["sentence"])
        desk.quarantine.append_bars(quarantined_bars(sound, _disputes(aside, day.disputed), known_at))
    if waiting := {(bar.session, bar.symbol) for bar in desk.quarantine.bars()}:
        delivered = {(row.session.date(), row.symbol) for row in trusted[KEY].itertuples()}
        desk.quarantine.close_mended(waiting & delivered)
    return appended


def _restated(day: Day, sound: pd.DataFrame) -> list[Restatement]:
    desk = day.desk
    late = desk.sessions.before(day.session, LATE_VOLUME_SESSIONS - 1)
    return restatements(sound, desk.store.load_latest(sound), desk.strategy.market.restatement_tolerance, late)


def _disputes(aside: list[Restatement], message: str) -> list[Finding]:
    """A finding for each symbol whose stored bars the vendor changed."""
    sessions: dict[str, set[date]] = {}
    for row in aside:
        sessions.setdefault(row.symbol, set()).add(row.session)
    return [Finding("restated", "error", symbol, tuple(sorted(days)), message) for symbol, days in sessions.items()]
