"""How a book fared, for a page: returns with flows before the open, the benchmark, the drawdown, and pictures of them."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.performance.metrics import benchmark_returns, drawdowns, session_returns
from nightdesk.performance.page.charts import Picture, line_chart
from schemas.equity import Equity

Rows = Sequence[tuple[date, float, float, float | None]]


class Course:
    """A book's way since its first session. `rows` are (session, equity, flow, benchmark), oldest first, at least one."""

    def __init__(self, rows: Rows) -> None:
        columns = [Equity.session, Equity.equity, Equity.flow, Equity.benchmark]
        frame = pd.DataFrame(rows, columns=columns)
        frame[Equity.session] = pd.to_datetime(frame[Equity.session])
        frame[Equity.benchmark] = frame[Equity.benchmark].astype(float)
        self.sessions = pd.DatetimeIndex(frame[Equity.session])
        self.returns: NDArray[np.float64] = session_returns(frame).to_numpy()
        self.benchmark: NDArray[np.float64] = benchmark_returns(frame).to_numpy()

    @property
    def first(self) -> date:
        first: date = self.sessions[0].date()
        return first

    @property
    def last(self) -> date:
        last: date = self.sessions[-1].date()
        return last

    @property
    def day(self) -> float | None:
        """The return of the last session; None on the first."""
        return float(self.returns[-1]) if len(self.returns) else None

    @property
    def total(self) -> float:
        return float(_grown(self.returns)[-1]) - 1.0

    @property
    def market(self) -> float | None:
        """The benchmark's return over the same sessions; None where it is not known."""
        return float(_grown(self.benchmark)[-1]) - 1.0 if len(self.benchmark) and not np.isnan(self.benchmark).all() else None

    @property
    def drawdown(self) -> float:
        """How far it stands below its peak, as a fraction, 0 or more."""
        return abs(float(drawdowns(self.returns)[-1]))

    @property
    def deepest(self) -> float:
        return abs(float(drawdowns(self.returns).min()))

    @property
    def losing_sessions(self) -> int:
        """Sessions of loss in a row up to the last."""
        gained = np.flatnonzero(~(self.returns < 0))
        return len(self.returns) - 1 - int(gained[-1]) if len(gained) else len(self.returns)

    def growth(self) -> Picture | None:
        """The book beside its benchmark, from 0 %; None before the second session."""
        if not len(self.returns):
            return None
        lines = [("own", pd.Series(_grown(self.returns), self.sessions))]
        legend = (("own", "This book"), ("market", "Buying and holding"))
        if self.market is not None:
            lines.insert(0, ("market", pd.Series(_grown(self.benchmark), self.sessions)))
        chart = line_chart(lines, lambda value: _percent(value - 1.0), rule=1.0, can_be_log=True)
        beside = f", buying and holding {self.market:+.2%}" if self.market is not None else ""
        says = f"From {self.first} to {self.last} this book made {self.total:+.2%}{beside}."
        return Picture("Growth", "since the first session, %", chart, legend if beside else (), says)

    def fall(self) -> Picture | None:
        """How far the book stood below its peak; None before the second session."""
        if not len(self.returns):
            return None
        depth = pd.Series(drawdowns(self.returns), self.sessions)
        chart = line_chart([("own", depth)], _percent, rule=0.0, fill=True)
        says = f"The book stands {self.drawdown:.2%} below its peak; the deepest was {self.deepest:.2%}."
        return Picture("Drawdown", "below the peak, %", chart, (), says)


def _grown(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """What 1 has become, from the first session on; a session without a known return adds nothing."""
    return np.concatenate([[1.0], np.cumprod(1.0 + np.nan_to_num(returns))])


def _percent(value: float) -> str:
    return f"{100 * value:+.4g}".replace("-", "\N{MINUS SIGN}") if abs(value) > 1e-9 else "0"
