"""One file of daily bars, as the vendors write it. What is not certain is refused with a sentence instead of guessed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nightdesk.errors import Misconfigured
from nightdesk.market.bar_cells import (
    CAPITAL_GAINS,
    CLOSE_OF_NASDAQ,
    SPLITS_OF_YAHOO,
    Cells,
    csv_cells,
    parquet_cells,
    printable,
    refusal,
    shown,
)
from nightdesk.market.histories import ADJUSTED_CLOSE
from nightdesk.market.splits import unsplit
from schemas.bars import Bars

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
ABSENT: Final = ("", "nan", "null", "na", "n/a")
ISO: Final = (
    r"^(?P<wall>(?:1[89]|20)\d{2}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)"
    r" ?(?P<offset>Z|[+-]\d{2}:?\d{2})?$"
)
SLASHED: Final = r"^(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?:1[89]|20)\d{2}$"


def load_bar_file(path: Path, symbol: str, root: Path | None = None) -> pd.DataFrame:
    """The bars of one symbol in a file: the columns of `Bars`, as traded and unchecked; an empty cell is NaN.

    Beside them `adjusted_close` where the file has that, dividends and splits. Rows keep the file's order, but a file that is
    newest first is turned round. `session` keeps its time of day where that is not midnight throughout. `attrs` has `notes`,
    sentences about what the file cannot say; `utc_offset` of its first date, as -05:00, or ""; and its own `symbol`, or "".

    Raises `BadData` for a file that is not understood; `Misconfigured` where there is no such file, or it lies outside `root`.
    """
    file = file_within(path, root)
    cells = parquet_cells(file) if file.name.lower().endswith(".parquet") else csv_cells(file)
    if cells.table.empty:
        raise refusal(cells.file, "it has a header but no rows")
    own_symbol = _own_symbol(cells)
    sessions, utc_offset = sessions_of(cells)
    bars = pd.DataFrame({Bars.session: sessions})
    bars[Bars.symbol] = pd.Series(symbol, index=bars.index, dtype="str")
    for column in (Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume):
        bars[column] = numbers(cells, column)
    bars[Bars.dividend] = _paid(cells, bars)
    bars[Bars.split] = _amounts(cells, Bars.split, none=1.0)
    if {ADJUSTED_CLOSE, Bars.dividend, Bars.split} <= set(cells.names):
        bars[ADJUSTED_CLOSE] = numbers(cells, ADJUSTED_CLOSE)
    if cells.is_named(Bars.split, SPLITS_OF_YAHOO):
        bars = _as_traded(bars)
    bars = oldest_first(bars)
    bars.attrs = {"notes": tuple(_notes(cells)), "utc_offset": utc_offset, "symbol": own_symbol}
    return bars


def _paid(cells: Cells, bars: pd.DataFrame) -> pd.Series:
    """Dividends and capital gains. Yahoo's dividend of a fund contains its gains at times: then the adjusted close tells."""
    dividends, gains = (_amounts(cells, column, none=0.0) for column in (Bars.dividend, CAPITAL_GAINS))
    if ADJUSTED_CLOSE not in cells.names or not (gains > 0).any():
        return dividends + gains
    by_day = bars[Bars.session].sort_values(kind="stable").index
    close = bars[Bars.close].loc[by_day]
    factor = numbers(cells, ADJUSTED_CLOSE).loc[by_day] / close
    adjusted_for = (close.shift() * (1 - factor.shift() / factor)).reindex(bars.index)
    nearer = (adjusted_for - dividends).abs() < (adjusted_for - dividends - gains).abs()
    return (dividends + gains).mask((gains > 0) & (dividends >= gains) & nearer, dividends)


def file_within(path: Path, root: Path | None, suffixes: Sequence[str] = SUFFIXES) -> Path:
    """The file itself, every link followed."""
    file = path.resolve()
    if root is not None and not file.is_relative_to(root.resolve()):
        raise Misconfigured.value("file", str(path), f"a file inside {root}, also where a link leads")
    if not path.name.lower().endswith(tuple(suffixes)) or not file.name.lower().endswith(tuple(suffixes)):
        raise Misconfigured.value("file", str(path), f"a name that ends in {', '.join(suffixes)}")
    if not file.is_file():
        raise Misconfigured(f"There is no file {path}.", path=str(path))
    return file


def _own_symbol(cells: Cells) -> str:
    if Bars.symbol not in cells.names:
        return ""
    symbols = cells.table[Bars.symbol].astype("str").str.strip()
    other = symbols != symbols.iloc[0]
    if other.any():
        raise cells.refusal(Bars.symbol, other, f"after {shown(symbols.iloc[0])}: a file has the bars of one symbol")
    return str(symbols.iloc[0])


def sessions_of(cells: Cells) -> tuple[pd.Series, str]:
    """Each row's date on its own wall clock, and the first row's offset from UTC."""
    column = cells.table[Bars.session]
    if pd.api.types.is_datetime64_any_dtype(column):
        wrong = ~column.dt.year.between(1800, 2099)  # a missing date too
        if wrong.any():
            raise cells.refusal(Bars.session, wrong, "a date from 1800 to 2099 is needed")
        offset = column.dt.strftime("%z").iloc[0] if column.dt.tz is not None else ""
        return column.dt.tz_localize(None).astype("datetime64[ns]"), f"{offset[:3]}:{offset[3:]}" if offset else ""
    if pd.api.types.is_numeric_dtype(column):
        raise cells.refusal(Bars.session, column == column.iloc[0], "a date as 2024-01-31 is needed, not a number")
    text = column.str.strip()
    if "/" in text.iloc[0]:
        return _slashed_dates(cells, text), ""
    parts = _parts(text, ISO)
    days = pd.to_datetime(parts["wall"], format="ISO8601", errors="coerce").astype("datetime64[ns]")
    if days.isna().any():
        raise cells.refusal(Bars.session, days.isna(), "a date as 2024-01-31 (or 01/31/2024, month first) is needed")
    return days, str(parts["offset"].iloc[0]).replace("Z", "+00:00")


def _slashed_dates(cells: Cells, text: pd.Series) -> pd.Series:
    """Dates as 01/31/2024. Month first must be certain: from a day above the 12th, or from a vendor who writes no other."""
    parts = _parts(text, SLASHED)
    first, second = pd.to_numeric(parts["first"]), pd.to_numeric(parts["second"])
    day_first = first > 12
    if day_first.any():
        raise cells.refusal(Bars.session, day_first, "day first; allowed: 2024-01-31, or month first as 01/31/2024")
    days = pd.to_datetime(text.where(first.notna()), format="%m/%d/%Y", errors="coerce").astype("datetime64[ns]")
    if days.isna().any():
        raise cells.refusal(Bars.session, days.isna(), "a date as 01/31/2024, month first, is needed")
    if not (second > 12).any() and not cells.is_named(Bars.close, CLOSE_OF_NASDAQ):
        raise cells.refusal(Bars.session, days.notna(), "month or day first? No date tells; use 2024-01-31")
    return days


def _parts(text: pd.Series, pattern: str) -> pd.DataFrame:
    """The named groups of a pattern in each text; missing where it does not match."""
    found = pc.extract_regex(pa.array(text, pa.string()), pattern)
    groups = zip(found.type.names, found.flatten(), strict=True)
    return pd.DataFrame({name: group.to_pandas() for name, group in groups}, dtype="str")


def numbers(cells: Cells, column: str, example: str = "1234.5") -> pd.Series:
    """A column as float64: plain numbers with a decimal point (a refusal shows an `example`), NaN where there is none."""
    values = cells.table[column]
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    if pd.api.types.is_datetime64_any_dtype(values):
        raise cells.refusal(column, values.notna(), "a number is needed, not a date")
    text = values.str.strip()
    if cells.is_named(Bars.close, CLOSE_OF_NASDAQ):
        text = text.str.removeprefix("$")
    values = pd.to_numeric(text, errors="coerce").astype("float64")
    wrong = values.isna()
    if wrong.any():
        wrong &= ~text.str.lower().isin(ABSENT)
    if wrong.any():
        raise cells.refusal(column, wrong, f"allowed: a plain number with a decimal point, as {example}")
    return values


def _amounts(cells: Cells, column: str, none: float) -> pd.Series:
    """Dividends or splits; `none` throughout where the file has no such column.

    Where the file never writes "none" as a number, an empty cell is none.
    """
    if column not in cells.names:
        return pd.Series(none, index=cells.table.index)
    values = numbers(cells, column)
    if cells.is_named(column, SPLITS_OF_YAHOO):
        values = values.replace(0.0, 1.0)
    return values if (values == none).any() else values.fillna(none)


def _as_traded(bars: pd.DataFrame) -> pd.DataFrame:
    """`unsplit`, where only splits that can be right are applied; the others stay to be found."""
    sound = np.isfinite(bars[Bars.split]) & (bars[Bars.split] > 0)
    traded = unsplit(bars.assign(**{Bars.split: bars[Bars.split].where(sound, 1.0)}))
    return traded.assign(**{Bars.split: bars[Bars.split]})


def oldest_first(bars: pd.DataFrame) -> pd.DataFrame:
    """The rows, turned round where they are newest first."""
    sessions = bars[Bars.session]
    newest_first = sessions.is_monotonic_decreasing and not sessions.is_monotonic_increasing
    return bars.iloc[::-1].reset_index(drop=True) if newest_first else bars


def _notes(cells: Cells) -> Iterable[str]:
    unknown = [word for word, column in (("dividends", Bars.dividend), ("splits", Bars.split)) if column not in cells.names]
    if unknown:
        yield f"{printable(cells.file)} says nothing about {' and '.join(unknown)}: its prices are taken as traded."
