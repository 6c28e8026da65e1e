"""The bundled market: two indices, 1999 to 2018, on a simulated clock."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Final

import pandas as pd

from nightdesk.errors import Misconfigured
from schemas.bars import Bars

FILES: Final = {"^GSPC": "sp500.csv.gz", "^IXIC": "nasdaq.csv.gz"}
COLUMNS: Final = {
    "Date": Bars.session,
    "Open": Bars.open,
    "High": Bars.high,
    "Low": Bars.low,
    "Close": Bars.close,
    "Volume": Bars.volume,
}


class SampleSource:
    """The S&P 500 and the NASDAQ Composite from package data. Indices pay no dividends and do not split."""

    name: Final = "sample"
    currency: Final = "USD"
    span: Final[tuple[date, date] | None] = (date(1999, 1, 4), date(2018, 12, 31))
    opens: Final[date | None] = date(2018, 1, 2)

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """`Bars` from `first` to `last`, both included. Raises `Misconfigured` for a symbol that is not bundled."""
        for symbol in symbols:
            if symbol not in FILES:
                raise Misconfigured.value("symbol", symbol, ", ".join(FILES))
        bars = _sample_bars()
        wanted = bars[Bars.symbol].isin(symbols) & bars[Bars.session].between(pd.Timestamp(first), pd.Timestamp(last))
        return bars[wanted].reset_index(drop=True)


@cache
def _sample_bars() -> pd.DataFrame:
    bars = pd.concat([_parsed(symbol, file) for symbol, file in FILES.items()])
    return bars.sort_values([Bars.session, Bars.symbol], ignore_index=True)


def _parsed(symbol: str, file: str) -> pd.DataFrame:
    with resources.files("nightdesk.market").joinpath("data", file).open("rb") as stream:
        table = pd.read_csv(stream, compression="gzip", usecols=list(COLUMNS)).rename(columns=COLUMNS)
    sessions = pd.to_datetime(table[Bars.session], format="%m/%d/%Y").astype("datetime64[ns]")
    bars = table.assign(**{Bars.session: sessions, Bars.symbol: symbol, Bars.dividend: 0.0, Bars.split: 1.0})
    return bars[list(Bars.to_schema().columns)].astype({Bars.volume: "float64"})
