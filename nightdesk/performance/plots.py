"""Plots as PNG bytes: equal input, equal bytes. matplotlib's objects without pyplot, imported when a plot is drawn."""

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandera.typing import DataFrame

from nightdesk.performance.metrics import drawdowns, session_returns
from schemas.equity import Equity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
BOOK_COLOUR = "#0072B2"
BENCHMARK_COLOUR = "#D98200"
INK = "#333333"
FRAME = "#B0B0B0"
GRID = "#E6E6E6"
FEW_SESSIONS = 8
"""Up to here every session gets its own tick and its own marker."""


def equity_plot(equity: DataFrame[Equity], title: str, currency: str) -> bytes:
    """Equity and benchmark above, the drawdown of both below, by session; a PNG of 900 x 520 pixels.

    The book's drawdown is of its time-weighted index, so deposits and withdrawals do not show in it; the legend says where
    they show in the equity.
    """
    figure = _figure(9.0, 5.2)
    money, fallen = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
    figure.suptitle(title, x=0.012, ha="left", fontsize=13, color=INK, fontweight="bold")
    _draw_equity(money, equity, currency)
    _draw_drawdowns(fallen, equity)
    _set_session_axis(fallen, equity[Equity.session])
    figure.align_ylabels()
    return _png(figure)


def confusion_matrix_plot(matrix: ArrayLike, title: str) -> bytes:
    """Counts and row percentages of 2 x 2 outcomes (rows actual down/up, columns predicted down/up); a PNG of 480 x 420."""
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.asarray(matrix)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    figure = _figure(4.8, 4.2)
    axes = figure.subplots()
    axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("shares", ["#F7F7F7", BOOK_COLOUR]), vmin=0, vmax=1)
    for row, column in np.ndindex(2, 2):
        colour = "white" if shares[row, column] > 0.5 else INK
        percentage = f"{shares[row, column]:.1%} of row" if totals[row] else "n/a"
        axes.text(column, row - 0.06, f"{counts[row, column]:,}", ha="center", va="center", fontsize=20, color=colour)
        axes.text(column, row + 0.17, percentage, ha="center", va="center", fontsize=10, color=colour)
    axes.set_title(title, fontsize=13, color=INK, fontweight="bold", pad=12)
    axes.set_xticks([0, 1], [f"down\n(n = {counts[:, 0].sum():,})", f"up\n(n = {counts[:, 1].sum():,})"])
    axes.set_yticks([0, 1], [f"down\n(n = {totals[0]:,})", f"up\n(n = {totals[1]:,})"])
    axes.set_xlabel("Predicted", color=INK)
    axes.set_ylabel("Actual", color=INK)
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_visible(False)
    axes.hlines(0.5, -0.5, 1.5, color="white", linewidth=3)
    axes.vlines(0.5, -0.5, 1.5, color="white", linewidth=3)
    return _png(figure)


def _draw_equity(axes: "Axes", equity: DataFrame[Equity], currency: str) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    sessions, held = equity[Equity.session], equity[Equity.benchmark]
    marker = "o" if len(equity) <= FEW_SESSIONS else ""
    label = "Equity, with deposits and withdrawals" if equity[Equity.flow].iloc[1:].any() else "Equity"
    if held.notna().any():
        axes.plot(sessions, held, color=BENCHMARK_COLOUR, linewidth=1.2, marker=marker, markersize=6, label="Buy and hold")
    axes.plot(sessions, equity[Equity.equity], color=BOOK_COLOUR, linewidth=1.6, marker=marker, markersize=4, label=label)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylabel(f"Equity [{currency}]", color=INK)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=10, labelcolor=INK, reverse=True)
    _set_style(axes)


def _draw_drawdowns(axes: "Axes", equity: DataFrame[Equity]) -> None:
    from matplotlib.ticker import MaxNLocator

    sessions, held = equity[Equity.session], equity[Equity.benchmark]
    marker = "o" if len(equity) <= FEW_SESSIONS else ""
    fallen, market = 100 * drawdowns(session_returns(equity)), 100 * (held / held.cummax() - 1)
    axes.fill_between(sessions, fallen, 0, color=BOOK_COLOUR, alpha=0.25, linewidth=0)
    if held.notna().any():
        axes.plot(sessions, market, color=BENCHMARK_COLOUR, linewidth=1.0, marker=marker, markersize=6, clip_on=False)
    axes.plot(sessions, fallen, color=BOOK_COLOUR, linewidth=1.2, marker=marker, markersize=4, clip_on=False)
    axes.set_ylim(bottom=min(axes.get_ylim()[0], -1), top=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_ylabel("Drawdown [%]", color=INK)
    _set_style(axes)


def _set_session_axis(axes: "Axes", sessions: pd.Series) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DateFormatter

    years = sorted({f"{sessions.iloc[0]:%Y}", f"{sessions.iloc[-1]:%Y}"})
    few = len(sessions) <= FEW_SESSIONS
    axes.set_xlabel(f"Session ({'-'.join(years)})" if few else "Session", color=INK)
    if not few:
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_xlim(sessions.iloc[0], sessions.iloc[-1])
    else:
        axes.set_xticks(sessions)
        axes.xaxis.set_major_formatter(DateFormatter("%d\n%b"))


def _set_style(axes: "Axes") -> None:
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)
    axes.tick_params(color=FRAME, labelcolor=INK, labelsize=9)


def _figure(width_inches: float, height_inches: float) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.09, hspace=0.02)
    return Figure(figsize=(width_inches, height_inches), dpi=DPI, layout=layout, facecolor="white")


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    png = BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return png.getvalue()
