"""The gate on data that a user has, before he trusts it: a file, a folder of files, or a source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.calendar_fit import DEFAULT_CALENDAR, CalendarFit, best_calendar, calendar_fit
from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.bar_cells import printable
from nightdesk.market.bar_files import SUFFIXES, load_bar_file
from nightdesk.market.checks import CHECKS, findings
from nightdesk.market.histories import ADJUSTED_CLOSE
from nightdesk.market.sample import FILES
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from schemas.bars import Bars
from schemas.findings import Finding
from schemas.strategy import DATA_SYMBOL

CALENDAR_CHECKS: Final = ("missing_session", "missing_last_bar", "extra_session", "unfinished_bar")
ADJUSTMENT_CHECKS: Final = ("dividend_not_adjusted", "adjusted_without_dividend", "dividend_adjusted_wrong")
CURRENCY: Final = "USD"
YEAR_OF_SESSIONS: Final = 252


@dataclass(frozen=True, slots=True)
class Asked:
    """What to check, as the command line says it; None and () where it does not."""

    symbols: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What the gate says of one symbol's bars. `file` is the file's name, or the source's.

    `calendar` is what the sessions were compared with, "" without one, and `agreement` the share of days on which both agree;
    `older` bars lie before its reach. `left_out` are the checks that could not be made. A file that is not understood has no
    bars and one finding, "unreadable"; one without bars in the span that was asked has the finding "no_bars".
    """

    file: str
    symbol: str
    bars: int = 0
    first: date | None = None
    last: date | None = None
    calendar: str = ""
    agreement: float | None = None
    older: int = 0
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = tuple(CHECKS)
    findings: tuple[Finding, ...] = ()

    def count(self, severity: str) -> int:
        """How many findings are errors, or warnings."""
        return sum(finding.severity == severity for finding in self.findings)


def bar_files(path: Path, symbols: Sequence[str]) -> list[Path]:
    """The file, or a folder's bar files by name; of these only the ones of some symbols, where symbols are given.

    Raises `Misconfigured` where there are none, or a symbol has none.
    """
    if not path.exists():
        raise Misconfigured.value("what to check", str(path), "a file, a folder, or one of sample, csvdir, yahoo, alpaca")
    found = sorted(file for file in (path.iterdir() if path.is_dir() else [path]) if _ending(file) and file.is_file())
    if not found:
        raise Misconfigured.value(
            "what to check", str(path), f"a file, or a folder with a file, that ends in {', '.join(SUFFIXES)}"
        )
    if absent := sorted(set(symbols) - {label_of(file) for file in found}):
        raise Misconfigured.value("symbols", ", ".join(absent), f"symbols that have a file in {path}")
    return [file for file in found if not symbols or label_of(file) in symbols]


def label_of(path: Path) -> str:
    """What a file's bars are called: its name without the ending, be it a symbol or not."""
    return printable(path.name[: len(path.name) - len(_ending(path))])


def _ending(path: Path) -> str:
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def checked_file(path: Path, root: Path | None, asked: Asked) -> Checked:
    """What the gate says of a file. One that is not understood, or that a link leads to out of `root`, is a finding."""
    file, label = printable(path.name), label_of(path)
    try:
        bars = load_bar_file(path, label, root)
    except (BadData, Misconfigured) as error:
        return Checked(file, label, findings=(Finding("unreadable", "error", label, (), error.message),))
    first, last = asked.start or date(1800, 1, 1), asked.end or date(2099, 12, 31)
    notes, offset = bars.attrs["notes"], bars.attrs["utc_offset"]
    bars = bars[bars[Bars.session].dt.normalize().between(pd.Timestamp(first), pd.Timestamp(last))].reset_index(drop=True)
    if bars.empty:
        return Checked(
            file, label, findings=(Finding("no_bars", "error", label, (), f"{file} has no bar from {first} to {last}."),)
        )
    days = _days(bars)
    fit = calendar_fit(asked.calendar, days) if asked.calendar else best_calendar(days, label, offset)
    return _checked(file, label, bars, fit, days if fit is None else _expected(days, fit), notes)


def checked_source(name: str, asked: Asked, here: Settings) -> list[Checked]:
    """What the gate says of each symbol of a source, from the start to the end that were asked.

    Without these a simulated market is checked whole, a living one over its last year. Raises what the source raises.
    """
    from nightdesk.wiring.markets import new_source

    sessions = exchange_sessions(asked.calendar or DEFAULT_CALENDAR)
    symbols = asked.symbols or _all_symbols(name, here)
    source = new_source(name, here, CURRENCY, symbols, sessions)
    newest = sessions.latest_settled(WallClock().now())
    begin, end = source.span or (sessions.before(newest, YEAR_OF_SESSIONS - 1), newest)
    first, last = max(asked.start or begin, begin, sessions.first), min(asked.end or end, end)
    if first > last:
        raise Misconfigured.value("start and end", f"{first} and {last}", f"days from {begin} to {end}, the start first")
    bars = source.fetch_bars(symbols, first, last)
    notes, expected = tuple(bars.attrs.get("notes", ())), sessions.between(first, last)
    checked = []
    for symbol in sorted(set(symbols)):
        own = bars[bars[Bars.symbol] == symbol].reset_index(drop=True)
        fit = calendar_fit(sessions.name, _days(own)) or CalendarFit(sessions.name, sessions, 0, len(expected))
        checked.append(_checked(name, symbol, own, fit, expected, notes))
    return checked


def _all_symbols(name: str, here: Settings) -> tuple[str, ...]:
    if name == "sample":
        return tuple(FILES)
    if name == "csvdir":
        labels = {label_of(file) for file in bar_files(here.data, ())}
        return tuple(sorted(label for label in labels if re.fullmatch(DATA_SYMBOL, label)))
    raise Misconfigured(f"{name} has too many symbols to check them all: name some with --symbols.", source=name)


def _days(bars: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(bars[Bars.session].dt.normalize().unique()).sort_values()


def _expected(days: pd.DatetimeIndex, fit: CalendarFit) -> pd.DatetimeIndex:
    """The sessions from the first day to the last that are over by now; days before the calendar's reach as they are."""
    sessions = fit.sessions
    older = days[days < pd.Timestamp(sessions.first)]
    last = min(days[-1].date(), sessions.latest_settled(WallClock().now()))
    return older.append(sessions.between(max(days[0].date(), sessions.first), last))


def _checked(
    file: str, symbol: str, bars: pd.DataFrame, fit: CalendarFit | None, expected: pd.DatetimeIndex, notes: tuple[str, ...]
) -> Checked:
    found = findings(bars, [symbol], expected)
    codes = {finding.code for finding in found}
    not_made = (*(CALENDAR_CHECKS if fit is None else ()), *(ADJUSTMENT_CHECKS if ADJUSTED_CLOSE not in bars else ()))
    days = bars[Bars.session]
    return Checked(
        file=file,
        symbol=symbol,
        bars=len(bars),
        first=days.min().date() if len(bars) else None,
        last=days.max().date() if len(bars) else None,
        calendar=fit.name if fit else "",
        agreement=fit.share if fit else None,
        older=int((days < pd.Timestamp(fit.sessions.first)).sum()) if fit else 0,
        notes=notes,
        left_out=tuple(code for code in not_made if code not in codes),
        findings=found,
    )
