"""Target weights that were made elsewhere: a table, checked, as a panel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nightdesk.errors import BadData, Misconfigured
from nightdesk.portfolio.sizing import Floats
from schemas.trading import Limits
from schemas.weights import Weights

NO_NUMBER = ["", "NaN", "nan", "NA"]
DAY = r"(\d{4}-\d{2}-\d{2}|\d{8})([T ]00:00(:00(\.0+)?)?)?"
"""A day without a time and without a time zone."""
SHOWN = 3
"""How many of the rows that are wrong a sentence names."""
ROUNDING = 1e-9
"""So much above the limit a sum of weights may lie: a third three times is not exactly one."""


def load_weights(path: Path) -> pd.DataFrame:
    """The table of a CSV or Parquet file, unchecked. Raises `BadData` where it cannot be read or lacks a column."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise BadData(f"The table of weights was {path.name!r}, allowed: a .csv or .parquet file.", path=str(path))
    try:
        table = _csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's parsing errors are ValueErrors
        raise BadData(f"The table of weights {path.name} cannot be read: {error}.", path=str(path)) from error
    if absent := [name for name in (Weights.session, Weights.symbol, Weights.weight) if name not in table.columns]:
        raise BadData(f"The table of weights {path.name} lacks {', '.join(absent)}; it has {', '.join(map(str, table.columns))}.")
    if twice := [name for name in table.columns if (table.columns == name).sum() > 1]:
        raise BadData(f"The table of weights {path.name} has the column {twice[0]} twice, allowed: once.", path=str(path))
    return table


def _csv(path: Path) -> pd.DataFrame:
    """A symbol may be called NA or TRUE, and a column that is there twice keeps its name."""
    named = pd.read_csv(path, header=None, nrows=1, dtype="str", keep_default_na=False).iloc[0]
    table = pd.read_csv(path, dtype={Weights.symbol: "str"}, keep_default_na=False, na_values={Weights.weight: NO_NUMBER})
    return table.set_axis(named, axis=1) if len(named) == len(table.columns) and isinstance(table.index, pd.RangeIndex) else table


def weights_panel(
    table: pd.DataFrame, sessions: pd.DatetimeIndex, symbols: Sequence[str], limits: Limits, max_gross: float = 1.0
) -> Floats:
    """Sessions x symbols of a table (session, symbol, weight) in any order: NaN, hold, where it has no row, 0 where it closes.

    `sessions` are those of the backtest; `symbols` those that the strategy lists. A weight of t is known at the close of t.

    Raises
    ------
    Misconfigured
        Where the sessions are none, or a weight is below 0 and `limits.allow_short` is false.
    BadData
        Where a row is empty or infinite, stands twice, names a symbol or a day that is not listed, or where the absolute
        weights that stand at a session sum to more than `max_gross`.
    """
    if not len(sessions):
        raise Misconfigured("The backtest has no session: its end lies before its start.")
    rows = _rows(table)
    place, symbol = (
        sessions.get_indexer(pd.DatetimeIndex(rows[Weights.session])),
        pd.Index(symbols).get_indexer(rows[Weights.symbol]),
    )
    weight = rows[Weights.weight].to_numpy(dtype=float)
    _refuse(rows, symbol < 0, f"a symbol of the strategy ({', '.join(symbols[:10])}{', ...' if len(symbols) > 10 else ''})")
    _refuse(rows, place < 0, f"a session from {sessions[0]:%Y-%m-%d} to {sessions[-1]:%Y-%m-%d}")
    _refuse(rows, ~np.isfinite(weight), "a finite weight; leave the row out to hold, 0 closes")
    _refuse(rows, rows.duplicated([Weights.session, Weights.symbol]).to_numpy(), "one weight for a session and symbol")
    if not limits.allow_short and (weight < 0).any():
        least = rows.iloc[int(np.argmin(weight))]
        raise Misconfigured(f"{_named(least)} is short, and limits.allow_short is false.", weight=float(least[Weights.weight]))
    panel = np.full((len(sessions), len(symbols)), np.nan)
    panel[place, symbol] = weight
    _require_gross(panel, sessions, max_gross)
    return panel


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """The table with dates, names and numbers. Raises `BadData` for what is none."""
    days, given = session_days(table), table[Weights.weight]
    numbers = pd.to_numeric(given, errors="coerce") if not pd.api.types.is_bool_dtype(given) else given * np.nan
    rows = pd.DataFrame(
        {
            Weights.session: days.astype("datetime64[ns]"),
            Weights.symbol: table[Weights.symbol].astype("str"),
            Weights.weight: numbers.astype(float),
        }
    ).reset_index(drop=True)
    if days.isna().any():
        was = str(table[Weights.session].to_numpy()[days.isna().to_numpy()][0])
        raise BadData(f"A session of the weights was {was!r}, allowed: a date as 2018-12-31, without time or zone.", session=was)
    unread = numbers.isna().to_numpy() & ~given.isna().to_numpy()
    if unread.any():
        row, was = rows[unread].iloc[0], str(given.to_numpy()[unread][0])
        place = f"{row[Weights.symbol]} on {row[Weights.session]:%Y-%m-%d}"
        raise BadData(f"The weight of {place} was {was!r}, allowed: a number with a decimal point, as 0.6 for 60 %.", weight=was)
    return rows


def session_days(table: pd.DataFrame) -> pd.Series:
    """The day of each row of a table of weights, NaT where there is none, or a time or a zone beside it."""
    given = table[Weights.session]
    if pd.api.types.is_datetime64_dtype(given):
        return given
    text = given.astype("str")
    return pd.to_datetime(text.where(text.str.fullmatch(DAY)), errors="coerce", format="ISO8601")


def _refuse(rows: pd.DataFrame, wrong: np.ndarray, allowed: str) -> None:
    """Raise `BadData` with the first rows that are wrong."""
    if wrong.any():
        first = "; ".join(_named(row) for _, row in rows[wrong].head(SHOWN).iterrows())
        more = f" and {wrong.sum() - SHOWN} more" if wrong.sum() > SHOWN else ""
        raise BadData(f"{first}{more}: allowed is {allowed}.", rows=int(wrong.sum()))


def _named(row: pd.Series) -> str:
    return f"The weight {row[Weights.weight]:g} of {row[Weights.symbol]} on {row[Weights.session]:%Y-%m-%d}"


def _require_gross(panel: Floats, sessions: pd.DatetimeIndex, max_gross: float) -> None:
    """The weights that stand at each session, those of before that hold included."""
    standing = pd.DataFrame(np.abs(panel)).ffill().sum(axis=1).to_numpy()
    over = np.flatnonzero(standing > max_gross + ROUNDING)
    if len(over):
        day, gross = sessions[over[0]], standing[over[0]]
        raise BadData(
            f"The weights that stand on {day:%Y-%m-%d} sum to {gross:.4g} in absolute value, allowed: at most {max_gross:g}.",
            session=day,
            gross=gross,
        )
