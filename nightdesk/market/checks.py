"""What is wrong with a frame of bars: every finding at once, nothing raised until `raise_errors`. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd

from nightdesk.errors import BadData
from schemas.bars import Bars
from schemas.records import Finding

CHECKS: Final = {
    "missing_session": "Every session from a symbol's first bar on has a bar; a symbol that starts late is normal.",
    "missing_last_bar": "The bar of the last expected session has come.",
    "extra_session": "No bar is of a day that is not an expected session.",
    "duplicate": "No (session, symbol) comes twice.",
    "unsorted": "Rows are sorted by (session, symbol).",
    "not_finite": "Sessions are present; prices, volume, dividend and split are finite numbers.",
    "not_positive": "Prices and split are above zero.",
    "low_above_open_close": "low <= open and low <= close.",
    "high_below_open_close": "open <= high and close <= high.",
    "negative_volume": "Volume is not negative.",
    "negative_dividend": "Dividend is not negative.",
    "open_repeats_close": "In no year does the open equal the previous close on more than 10 % of the sessions (a warning).",
}
"""What is checked, by code."""

SHOWN: Final = 3
REPEATS_ALLOWED: Final = 0.10
REPEATS_MIN_SESSIONS: Final = 20
"""A year with fewer sessions than these is too short to speak of a share."""

KEY: Final = [Bars.session, Bars.symbol]
PRICES: Final = [Bars.open, Bars.high, Bars.low, Bars.close]
NUMBERS: Final = [*PRICES, Bars.volume, Bars.dividend, Bars.split]


@dataclass(frozen=True)
class _Rule:
    """Cells of a frame that break a check: `broken` is rows x `columns`. `beside` is the column that they are compared with."""

    code: str
    says: str
    columns: Sequence[str]
    broken: np.ndarray
    beside: Sequence[str] = field(default=())


def findings(bars: pd.DataFrame, symbols: Sequence[str], expected: pd.DatetimeIndex) -> tuple[Finding, ...]:
    """All that is wrong with a raw frame of bars, one finding per (code, symbol), errors first, sorted by code and symbol.

    `bars` has the columns of `Bars` and may have NaN, duplicates and any order. `expected` are the sessions that each symbol
    should have, from its own first bar on. A warning's `sessions` are the first of each year that it names.
    """
    rules = [*_order_rules(bars, expected), *_value_rules(bars)]
    by_row = [finding for rule in rules for finding in _row_findings(bars, rule)]
    found = [*by_row, *_absences(bars, symbols, expected), *_open_repeats(bars)]
    return tuple(sorted(found, key=lambda finding: (finding.severity, finding.code, finding.symbol)))


def checks_passed(found: Iterable[Finding]) -> int:
    """How many of `CHECKS` found nothing."""
    return len(CHECKS) - len({finding.code for finding in found})


def with_coverage(found: Iterable[Finding], n_symbols: int, min_coverage: float) -> tuple[Finding, ...]:
    """The findings, a missing last bar as a warning (that symbol holds) as long as enough of the symbols have theirs."""
    rows = tuple(found)
    missing = {finding.symbol for finding in rows if finding.code == "missing_last_bar"}
    if (n_symbols - len(missing)) / n_symbols < min_coverage:
        return rows
    return tuple(replace(row, severity="warning") if row.code == "missing_last_bar" else row for row in rows)


def raise_errors(found: Iterable[Finding]) -> None:
    """Raise `BadData` where any finding is an error: a sentence for each, the findings themselves in `values`."""
    errors = tuple(finding for finding in found if finding.severity == "error")
    if errors:
        raise BadData(" ".join(finding.message for finding in errors), findings=errors)


def _order_rules(bars: pd.DataFrame, expected: pd.DatetimeIndex) -> list[_Rule]:
    session = bars[Bars.session]
    codes = pd.factorize(bars[Bars.symbol], sort=True)[0]
    days = session.to_numpy("datetime64[ns]")
    falls = np.zeros((len(bars), 1), dtype=bool)
    falls[1:, 0] = (days[1:] < days[:-1]) | ((days[1:] == days[:-1]) & (codes[1:] < codes[:-1]))
    extra = session.notna() & ~session.isin(expected)
    close = [Bars.close]
    return [
        _Rule("extra_session", "has a bar on a day that is no expected session", close, extra.to_numpy()[:, None]),
        _Rule("duplicate", "has the same session twice", close, bars.duplicated(KEY).to_numpy()[:, None]),
        _Rule("unsorted", "has a bar that should stand before the row above it", close, falls),
    ]


def _value_rules(bars: pd.DataFrame) -> list[_Rule]:
    numbers = bars[NUMBERS].to_numpy(float)
    with np.errstate(invalid="ignore"):
        at = dict(zip(NUMBERS, numbers.T, strict=True))
        finite = np.isfinite(numbers)
        absent = np.column_stack([bars[Bars.session].isna(), ~finite])
        positive, amounts = [*PRICES, Bars.split], np.column_stack([at[Bars.volume], at[Bars.dividend]])
        too_small = np.column_stack([at[column] <= 0 for column in positive]) & np.column_stack([finite[:, :4], finite[:, 6]])
        sound = (finite[:, :4] & (numbers[:, :4] > 0)).all(axis=1)[:, None]
        ends = np.column_stack([at[Bars.open], at[Bars.close]])
        below = (at[Bars.low][:, None] > ends) & sound
        above = (at[Bars.high][:, None] < ends) & sound
        negative = (amounts < 0) & finite[:, 4:6]
    open_close = [Bars.open, Bars.close]
    return [
        _Rule("not_finite", "has a value that is not a finite number", [Bars.session, *NUMBERS], absent),
        _Rule("not_positive", "has a price or split that is not above zero", positive, too_small),
        _Rule("low_above_open_close", "breaks low <= open, close", open_close, below, beside=[Bars.low]),
        _Rule("high_below_open_close", "breaks open, close <= high", open_close, above, beside=[Bars.high]),
        _Rule("negative_volume", "has a negative volume", [Bars.volume], negative[:, :1]),
        _Rule("negative_dividend", "has a negative dividend", [Bars.dividend], negative[:, 1:]),
    ]


def _row_findings(bars: pd.DataFrame, rule: _Rule) -> Iterator[Finding]:
    """One finding per symbol that breaks a rule; only the rows that break it are touched."""
    rows = np.flatnonzero(rule.broken.any(axis=1))
    broken = bars.iloc[rows].assign(row=rows).sort_values(Bars.session, kind="stable")
    for symbol, group in broken.groupby(Bars.symbol, dropna=False):
        shown = [_offence(row, rule) for _, row in group.head(SHOWN).iterrows()]
        sessions = pd.DatetimeIndex(group[Bars.session].dropna().unique())
        yield _finding(rule.code, str(symbol), sessions, f"{symbol} {rule.says}: {_listed(shown, len(group))}.")


def _offence(row: pd.Series, rule: _Rule) -> str:
    """A bar and its offending values, as "2018-12-31 (low 2600.0, close 2500.0)"."""
    columns = [column for column, broken in zip(rule.columns, rule.broken[row["row"]], strict=True) if broken]
    values = ", ".join(f"{column} {row[column]}" for column in [*rule.beside, *columns])
    return f"{str(row[Bars.session])[:10]} ({values})"  # a session may be NaT


def _absences(bars: pd.DataFrame, symbols: Sequence[str], expected: pd.DatetimeIndex) -> Iterator[Finding]:
    """The bars that are not there: within a symbol's history, and at its end."""
    present = _present(bars, symbols, expected)
    last = len(expected) - 1
    started = np.logical_or.accumulate(present, axis=1)
    for row, symbol in enumerate(symbols):
        missing = expected[:-1][started[row, :-1] & ~present[row, :-1]]
        if len(missing):
            listed = _listed([f"{day:%Y-%m-%d}" for day in missing[:SHOWN]], len(missing))
            yield _finding("missing_session", symbol, missing, f"{symbol} has no bar on {listed}.")
        if last >= 0 and not present[row, last]:
            ending = "" if started[row, last] else ", nor has any before it"
            message = f"The bar of {expected[last]:%Y-%m-%d} has not come yet for {symbol}{ending}."
            yield _finding("missing_last_bar", symbol, expected[last:], message)


def _present(bars: pd.DataFrame, symbols: Sequence[str], expected: pd.DatetimeIndex) -> np.ndarray:
    """Which bars are there, symbols x expected sessions."""
    rows = pd.Index(symbols).get_indexer(bars[Bars.symbol])
    columns = expected.get_indexer(bars[Bars.session])
    known = (rows >= 0) & (columns >= 0)
    present = np.zeros((len(symbols), len(expected)), dtype=bool)
    present[rows[known], columns[known]] = True
    return present


def _open_repeats(bars: pd.DataFrame) -> Iterator[Finding]:
    """A warning per symbol with the years in which the open is hardly ever a real one."""
    rows = bars[[*KEY, Bars.open, Bars.close]].dropna().sort_values([Bars.symbol, Bars.session], ignore_index=True)
    symbol, session = rows[Bars.symbol], rows[Bars.session]
    has_previous = (symbol == symbol.shift()).to_numpy()
    repeats = has_previous & (rows[Bars.open] == rows[Bars.close].shift()).to_numpy()
    table = pd.DataFrame({"symbol": symbol, "year": session.dt.year, "session": session, "repeats": repeats})[has_previous]
    grouped = table.groupby(["symbol", "year"])
    years = grouped.agg(share=("repeats", "mean"), length=("repeats", "size"), first=("session", "first"))
    named = years[(years["share"] > REPEATS_ALLOWED) & (years["length"] >= REPEATS_MIN_SESSIONS)].reset_index()
    for name, group in named.groupby("symbol"):
        message = (
            f"{name} opens at the previous close on up to {group['share'].max():.0%} of the sessions of {_spans(group['year'])}: "
            "a fill at the open is not a real fill there."
        )
        yield _finding("open_repeats_close", str(name), pd.DatetimeIndex(group["first"]), message)


def _spans(years: pd.Series) -> str:
    """Ascending years in words, neighbours together: 1999-2005, 2012."""
    spans = years.groupby((years.diff() != 1).cumsum()).agg(["min", "max"])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans.itertuples(index=False))


def _finding(code: str, symbol: str, sessions: pd.DatetimeIndex, message: str) -> Finding:
    severity = "warning" if code == "open_repeats_close" else "error"
    return Finding(code, severity, symbol, tuple(sessions.date), message)  # type: ignore[arg-type]  # the code decides between two literals


def _listed(shown: Sequence[str], total: int) -> str:
    """The first few, then how many more there are."""
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    return ", ".join(shown) + more
