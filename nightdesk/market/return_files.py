"""One CSV file of returns, from anywhere. What is not certain is refused with a sentence instead of guessed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from nightdesk.market.bar_cells import Cells, Columns, csv_cells, csv_names, plain_name, printable, refusal, shown
from nightdesk.market.bar_files import file_within, numbers, oldest_first, sessions_of
from schemas.bars import Bars

SUFFIXES: Final = (".csv", ".csv.gz")
RETURN: Final = "return"
BENCHMARK: Final = "benchmark"
DATES: Final = ("session", "date", "datetime", "timestamp", "")
"""pandas leaves the name of an unnamed index empty."""
RETURNS: Final = ("return", "returns", "ret", "daily_return", "daily_returns", "strategy", "strategy_return", "strategy_returns")
BENCHMARKS: Final = ("benchmark", "benchmark_return", "benchmark_returns")
FRACTION: Final = "0.012 for 1.2 %"
LARGEST: Final = 1.0
TYPICAL: Final = 0.1
"""A typical session moves less; percent given as whole numbers move more."""
LONG_GAP_DAYS: Final = 7
MOST_DAYS_APART: Final = 4
FEWEST: Final = 2


def load_returns(path: Path, benchmark: str = "") -> pd.DataFrame:
    """Returns by session, oldest first: `return`, and `benchmark` where there is one. Simple, as fractions; an empty cell is NaN.

    The return is the column of that name (or `returns`, `strategy`, ...), or the second of two. `benchmark` names a column, or
    another file of the same kind; without it a column `benchmark` is one. A file that is newest first is turned round. `attrs`
    has `benchmark`, its name or "", and `notes`, sentences about what a reader should know.

    Raises `BadData` for what is not understood or can not be a return a session, `Misconfigured` where there is no such file.
    """
    file = file_within(path, None, SUFFIXES)
    names = csv_names(file)
    other = benchmark if benchmark and plain_name(benchmark) not in map(plain_name, names) else ""
    if other and not other.lower().endswith(SUFFIXES):
        raise refusal(file.name, f"it has no column {shown(benchmark)} to compare with; it has {shown(','.join(names))}")
    frame, name = _frame(file, names, "" if other else benchmark)
    notes = list(_notes(file.name, frame))
    if other:
        theirs = load_returns(Path(other))
        frame[BENCHMARK], name = theirs[RETURN].reindex(frame.index), record_name(Path(other))
    if BENCHMARK in frame:
        notes += _benchmark_notes(file.name, frame, name)
    frame.attrs = {"benchmark": printable(name), "notes": tuple(notes)}
    return frame


def record_name(path: Path) -> str:
    """A file's name without its ending, harmless to print."""
    ending = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    return printable(path.name[: len(path.name) - len(ending)])


def _frame(file: Path, names: list[str], benchmark: str) -> tuple[pd.DataFrame, str]:
    """The columns by session, and what the benchmark is called."""
    cells = csv_cells(file, _columns(names, benchmark))
    if cells.table.empty:
        raise refusal(cells.file, "it has a header but no rows")
    days = sessions_of(cells)[0].dt.normalize()
    read = [column for column in (RETURN, BENCHMARK) if column in cells.names]
    frame = pd.DataFrame({column: _fractions(cells, column) for column in read}).assign(**{Bars.session: days})
    _require_order(cells, frame[Bars.session])
    if (known := int(frame[RETURN].notna().sum())) < FEWEST:
        raise refusal(cells.file, f"it has {known} known return{'s' if known != 1 else ''}, needed: {FEWEST} or more")
    return oldest_first(frame).set_index(Bars.session), cells.names.get(BENCHMARK, "")


def _columns(names: list[str], benchmark: str) -> Columns:
    own: dict[str, str] = dict.fromkeys(DATES, str(Bars.session)) | dict.fromkeys(RETURNS, RETURN)
    if len(names) == 2 and plain_name(names[1]) not in own:
        own[plain_name(names[1])] = RETURN
    compared: dict[str, str] = {plain_name(benchmark): BENCHMARK} if benchmark else dict.fromkeys(BENCHMARKS, BENCHMARK)
    return Columns({**own, **compared}, (Bars.session, RETURN))


def _fractions(cells: Cells, column: str) -> pd.Series:
    values = numbers(cells, column, FRACTION)
    absurd = ~(values.abs() <= LARGEST) & values.notna()
    if absurd.any():
        raise cells.refusal(column, absurd, f"allowed: from -1 to 1, returns are fractions, {FRACTION}")
    typical = values[values != 0].abs().median()
    if typical > TYPICAL:
        why = f"half of the values in {cells.names[column]} that are not 0 are {typical:g} or larger"
        raise refusal(cells.file, f"{why}, allowed: up to {TYPICAL:g}, returns are fractions a session, {FRACTION}")
    return values


def _require_order(cells: Cells, days: pd.Series) -> None:
    """Each day once, and in order, be it from the oldest or from the newest."""
    twice = days.duplicated()
    if twice.any():
        raise cells.refusal(Bars.session, twice, "a date that is there before: one row a session is needed")
    backwards = days.diff() < pd.Timedelta(0)
    if backwards.any() and not days.is_monotonic_decreasing:
        raise cells.refusal(Bars.session, backwards, "earlier than the date before it: dates must be in order")
    if len(days) > 1 and (apart := float(days.diff().abs().median() / pd.Timedelta(days=1))) > MOST_DAYS_APART:
        raise refusal(cells.file, f"its dates are mostly {apart:g} days apart, needed: one row a session, for a year is 252 rows")


def _notes(file: str, frame: pd.DataFrame) -> Iterator[str]:
    days, missing = frame.index, int(frame[RETURN].isna().sum())
    apart = pd.Series(days).diff().dt.days
    gaps = int((apart > LONG_GAP_DAYS).sum())
    if gaps:
        at = int(apart.to_numpy()[1:].argmax()) + 1
        many = f"{gaps} gap{'s' if gaps > 1 else ''} of more than {LONG_GAP_DAYS} days between two dates"
        longest = f"the longest is {int(apart[at])} days, from {days[at - 1]:%Y-%m-%d} to {days[at]:%Y-%m-%d}"
        yield f"{printable(file)} has {many}; {longest}. A gap is not a session: figures a year count 252 rows as a year."
    if missing:
        yield f"{missing:,} of {len(frame):,} sessions have no return: they are left out of means and earn nothing."
    if (weekend := int((days.day_of_week > 4).sum())) > 0:
        yield f"{weekend:,} of {len(frame):,} dates are on a weekend: figures a year count 252 rows as a year, not 365."


def _benchmark_notes(file: str, frame: pd.DataFrame, name: str) -> list[str]:
    both = int((frame[BENCHMARK].notna() & frame[RETURN].notna()).sum())
    if both < FEWEST:
        why = f"{both} of its sessions have a return of the benchmark {printable(name)} too, needed: {FEWEST} or more"
        raise refusal(file, why)
    absent = int(frame[BENCHMARK].isna().sum())
    return (
        [f"The benchmark has no return in {absent:,} of {len(frame):,} sessions; comparisons leave these out."] if absent else []
    )
