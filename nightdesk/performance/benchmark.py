"""What a book is compared with."""

import pandas as pd

from nightdesk.errors import BadData


def buy_and_hold(opens: pd.DataFrame | pd.Series, closes: pd.DataFrame | pd.Series, capital: float, cost_bps: float) -> pd.Series:
    """Value at each close of `capital` invested once and then held, by session.

    `opens` and `closes` are forward-adjusted prices over the sessions of a book from its first session t0: of one
    instrument, or sessions x instruments. At the close of t0 the value is `capital`. At the open of t1 all of it buys, an
    equal amount of money in each instrument that has an open then, at open * (1 + cost_bps / 1e4), in fractions of a
    share. A missing close later is carried from the last one. The value at t looks at nothing after the close of t.

    Raises
    ------
    BadData
        Where no instrument has an open at t1.
    """
    opened, closed = pd.DataFrame(opens), pd.DataFrame(closes)
    value = pd.Series(float(capital), index=closed.index)
    if len(closed) < 2:
        return value
    entry = opened.iloc[1].dropna()
    if entry.empty:
        raise BadData(f"The benchmark has no open to buy at in session {opened.index[1]:%Y-%m-%d}.", session=opened.index[1])
    shares = capital / len(entry) / (entry * (1 + cost_bps / 1e4))
    marks = closed[entry.index].iloc[1:].copy()
    marks.iloc[0] = marks.iloc[0].fillna(entry)
    value.iloc[1:] = marks.ffill() @ shares
    return value
