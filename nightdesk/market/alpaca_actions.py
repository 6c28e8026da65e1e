"""Dividends and splits from Alpaca's list of corporate actions. Pure.

A list is what alpaca-py gives with `raw_data=True`: rows by kind, as {"cash_dividends": [{"symbol": ..., "ex_date": ...}]}.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import pandas as pd

from nightdesk.errors import BadData
from schemas.bars import Bars

Listed = Mapping[str, Sequence[Mapping[str, Any]]]

HELD: Final = ("cash_dividends", "stock_dividends", "forward_splits", "reverse_splits")
"""The kinds that a bar's dividend and split can hold."""
NAME_CHANGES: Final = "name_changes"
NAMED_BY: Final = ["symbol", "source_symbol", "old_symbol", "acquiree_symbol"]
DATED_BY: Final = ["ex_date", "effective_date", "process_date"]
EX_DATE: Final = "ex_date"


def former_names(listed: Listed, names: Sequence[str]) -> list[str]:
    """What the companies of some names were called before, where the list says so."""
    changes = _name_changes(listed)
    return sorted(set(changes["old_symbol"][changes["new_symbol"].isin(names)]) - set(names))


def actions(listed: Listed) -> pd.DataFrame:
    """One row per (ex_date, symbol), sorted by both: the dividend and the split of that day, by today's name.

    Cash dividends of one day are added, splits and stock dividends multiplied. Alpaca lists an action by the name of its day:
    each is moved along the later name changes, so that a name's former bearer leaves it nothing. Raises `BadData` for an
    action without an ex-date.
    """
    rows = pd.concat([_kind(listed, kind) for kind in HELD], ignore_index=True)
    undated = rows[rows[EX_DATE].isna()]
    if len(undated):
        names = ", ".join(sorted(set(undated[Bars.symbol])))
        raise BadData(f"Alpaca lists a dividend or a split without an ex-date: {names}.", symbols=names)
    return _summed(_renamed(rows, _name_changes(listed)), EX_DATE)


def with_actions(bars: pd.DataFrame, acted: pd.DataFrame) -> pd.DataFrame:
    """The bars with their `dividend` and `split`, in the same order; `bars` are sorted by (session, symbol).

    An action whose ex-date has no bar belongs to the symbol's next bar: the exchange was closed unexpectedly, or the bar is
    missing. One before the symbol's first bar, or after its last, belongs to none.
    """
    if bars.empty or acted.empty:
        return bars.assign(**{Bars.dividend: 0.0, Bars.split: 1.0})
    days = bars[[Bars.session, Bars.symbol]]
    begun = acted[Bars.symbol].map(days.groupby(Bars.symbol)[Bars.session].min())
    known = acted[acted[EX_DATE] >= begun]
    borne = pd.merge_asof(known, days.dropna(), left_on=EX_DATE, right_on=Bars.session, by=Bars.symbol, direction="forward")
    summed = _summed(borne.dropna(subset=Bars.session), Bars.session)
    joined = days.merge(summed, on=[Bars.session, Bars.symbol], how="left", indicator=True)
    none = (joined["_merge"] == "left_only").to_numpy()
    amounts = {name: joined[name].mask(none, empty).to_numpy() for name, empty in ((Bars.dividend, 0.0), (Bars.split, 1.0))}
    return bars.assign(**amounts)


def other_actions(listed: Listed, symbols: Sequence[str], first: date, last: date) -> list[str]:
    """A sentence for each action of a symbol from `first` to `last` that `dividend` and `split` cannot hold, as a spin-off."""
    others = sorted(set(listed) - {*HELD, NAME_CHANGES})
    return [sentence for kind in others for sentence in _sentences(kind, pd.DataFrame(listed[kind]), symbols, first, last)]


def _sentences(kind: str, rows: pd.DataFrame, symbols: Sequence[str], first: date, last: date) -> list[str]:
    names = rows.reindex(columns=NAMED_BY).bfill(axis=1).iloc[:, 0]
    days = pd.to_datetime(rows.reindex(columns=DATED_BY).bfill(axis=1).iloc[:, 0])
    among = names.isin(symbols) & days.between(pd.Timestamp(first), pd.Timestamp(last))
    return [
        f"Alpaca lists {name} among the {kind.replace('_', ' ')} of {day:%Y-%m-%d}: neither dividend nor split can say that, "
        "so its price may move without an action beside it."
        for name, day in zip(names[among], days[among], strict=True)
    ]


def _kind(listed: Listed, kind: str) -> pd.DataFrame:
    """The rows of a kind as symbol, ex_date, dividend and split."""
    columns = [Bars.symbol, EX_DATE, "rate", "new_rate", "old_rate"]
    rows = pd.DataFrame(list(listed.get(kind, ())), columns=columns)
    rate, new, old = (pd.to_numeric(rows[column], errors="coerce").astype(float) for column in columns[2:])
    dividend = rate if kind == "cash_dividends" else 0.0
    split = {"cash_dividends": 1.0, "stock_dividends": 1.0 + rate}.get(kind, new / old)
    return pd.DataFrame({Bars.symbol: rows[Bars.symbol].astype("str"), EX_DATE: _days(rows[EX_DATE])}).assign(
        **{Bars.dividend: dividend, Bars.split: split}
    )


def _name_changes(listed: Listed) -> pd.DataFrame:
    """Old name, new name and the day of the change, sorted by it."""
    rows = pd.DataFrame(list(listed.get(NAME_CHANGES, ())), columns=["old_symbol", "new_symbol", "process_date"])
    typed = rows.astype({"old_symbol": "str", "new_symbol": "str"}).assign(process_date=_days(rows["process_date"]))
    return typed.dropna().sort_values("process_date", ignore_index=True)


def _renamed(rows: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """The rows by the name that their company has after its last change."""
    named = rows.assign(since=rows[EX_DATE])
    for _ in range(len(changes)):
        named = pd.merge_asof(
            named.sort_values("since", ignore_index=True),
            changes,
            left_on="since",
            right_on="process_date",
            left_by=Bars.symbol,
            right_by="old_symbol",
            direction="forward",
            allow_exact_matches=False,
        )
        name, since = named["new_symbol"].fillna(named[Bars.symbol]), named["process_date"].fillna(named["since"])
        named = named[[EX_DATE, Bars.dividend, Bars.split]].assign(**{Bars.symbol: name, "since": since})
    return named


def _days(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, errors="coerce").astype("datetime64[ns]")


def _summed(rows: pd.DataFrame, day: str) -> pd.DataFrame:
    """One row per (day, symbol): dividends added, splits multiplied. NaN where one is, so that the checks find it."""
    grouped = rows.groupby([day, Bars.symbol])
    return pd.concat([grouped[Bars.dividend].sum(skipna=False), grouped[Bars.split].prod(skipna=False)], axis=1).reset_index()
