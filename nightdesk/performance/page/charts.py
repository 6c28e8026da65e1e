"""Lines and bars as coordinates of an inline SVG that stretches to its place; tick labels as text at a share of the height or
width, so that they keep their size on a narrow screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.performance.page.tables import Distribution
from nightdesk.performance.page.tearsheet import Fold

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 2000, 1000
MOST_BUCKETS = 700
MOST_TICKS = 6
LOG_FROM_RATIO = 5.0
"""Growth is drawn on a logarithmic scale where its highest value is so many times its lowest."""
YEARS_ON_AXIS = 3.0
MONTH_STEPS = (1, 2, 3, 6, 12)


@dataclass(frozen=True)
class Tick:
    """`place` is in percent from the left, or from the top."""

    place: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram: `left`, `width` and `height` in units of the SVG, `kind` its CSS class, `text` its meaning."""

    left: float
    width: float
    height: float
    kind: str
    text: str


@dataclass(frozen=True)
class Chart:
    """`lines` are (CSS class, SVG path), the first drawn first; `rule` is the place of the line of reference, in percent."""

    lines: tuple[tuple[str, str], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    rule: float | None = None
    area: str = ""
    log: bool = False


@dataclass(frozen=True)
class Picture:
    """A chart under its heading, with what is drawn in words, for who does not see it."""

    title: str
    unit: str
    chart: Chart
    legend: tuple[tuple[str, str], ...]
    says: str
    tall: bool = False


@dataclass(frozen=True)
class Histogram:
    """Bars of counts, the ticks of their returns, and the place of 0 in percent."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    highest: int


def line_chart(
    lines: Sequence[tuple[str, pd.Series]],
    text: Callable[[float], str],
    *,
    rule: float,
    can_be_log: bool = False,
    fill: bool = False,
) -> Chart:
    """Series by session over time, drawn in their order; `rule` is always in sight; `fill` shades the last down from it."""
    low, high, log = _range([series for _, series in lines], rule, can_be_log)
    span = lines[0][1].index[[0, -1]]
    paths = tuple((kind, _path(_left(series.index, span), _top(series.to_numpy(), low, high, log))) for kind, series in lines)
    ticks = _log_ticks(low, high) if log else nice_ticks(low, high)
    places = _top(np.asarray(ticks), low, high, log) / HEIGHT * 100
    rule_top = float(_top(np.asarray([rule]), low, high, log)[0])
    return Chart(
        lines=paths,
        x_ticks=time_ticks(span[0], span[1]),
        y_ticks=tuple(Tick(round(float(place), 2), text(value)) for place, value in zip(places, ticks, strict=True)),
        rule=round(rule_top / HEIGHT * 100, 2),
        area=f"{paths[-1][1]}L{WIDTH},{rule_top:.0f}L0,{rule_top:.0f}Z" if fill else "",
        log=log,
    )


def fold_chart(folds: Sequence[Fold], text: Callable[[float], str]) -> Chart:
    """Folds over the time of their first sessions, in percent: a bar for the interval, a dash for accuracy and for the baseline.

    Every fold has the same width: neighbours do not overlap.
    """
    values = 100 * np.array([[fold.accuracy, fold.baseline, fold.lower, fold.upper] for fold in folds])
    low, high = max(0.0, float(values.min()) - 4), min(100.0, float(values.max()) + 4)
    tops, wide = _top(values, low, high, False), WIDTH / len(folds)
    middles = wide * (np.arange(len(folds)) + 0.5)
    half = 0.35 * wide
    dashes = [
        "".join(f"M{at - half:.0f},{top:.0f}L{at + half:.0f},{top:.0f}" for at, top in zip(middles, column, strict=True))
        for column in (tops[:, 0], tops[:, 1])
    ]
    bars = "".join(
        f"M{at:.0f},{top:.0f}L{at:.0f},{end:.0f}" for at, top, end in zip(middles, tops[:, 3], tops[:, 2], strict=True)
    )
    ticks = nice_ticks(low, high)
    places = _top(np.asarray(ticks), low, high, False) / HEIGHT * 100
    return Chart(
        lines=(("interval", bars), ("market", dashes[1]), ("own", dashes[0])),
        x_ticks=tuple(Tick(round(float(middles[at]) / WIDTH * 100, 2), name) for at, name in _named_folds(folds)),
        y_ticks=tuple(Tick(round(float(place), 2), text(value)) for place, value in zip(places, ticks, strict=True)),
        rule=round(float(_top(np.asarray([50.0]), low, high, False)[0]) / HEIGHT * 100, 2) if low <= 50 <= high else None,
    )


def histogram(shown: Distribution) -> Histogram:
    """The bars of a distribution; the heights are shares of the highest."""
    highest, width = max(1, int(shown.counts.max())), WIDTH / len(shown.counts)
    middle = len(shown.counts) // 2  # the bin around 0
    bars = tuple(
        Bar(
            round(at * width, 1),
            round(width, 1),
            round(count / highest * HEIGHT, 1),
            "flat" if at == middle else "down" if at < middle else "up",
            said,
        )
        for at, (count, said) in enumerate(zip(shown.counts, _spans(shown), strict=True))
    )
    low, high = 100 * float(shown.edges[0]), 100 * float(shown.edges[-1])
    ticks = [(value, (value - low) / (high - low) * 100) for value in nice_ticks(low, high)]
    return Histogram(bars, tuple(Tick(round(place, 2), signed(value)) for value, place in ticks), highest)


def signed(value: float) -> str:
    """A number with its sign and no more places than it needs; 0 without."""
    return f"{value:+.6g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def nice_ticks(low: float, high: float) -> list[float]:
    """At most six multiples of 1, 2, 2.5 or 5 times a power of ten from `low` to `high`."""
    least = (high - low) / (MOST_TICKS - 1)
    power = 10.0 ** np.floor(np.log10(least))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))
    first = int(np.ceil(low / step - 1e-9))
    return [round(float(place * step), 12) for place in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def time_ticks(first: pd.Timestamp, last: pd.Timestamp) -> tuple[Tick, ...]:
    """At most six beginnings of years or of months, each at its share of the time; the first day where there are none."""
    years = (last - first).days / 365.25
    if years > YEARS_ON_AXIS:
        step = max(1, int(np.ceil(years / MOST_TICKS)))
        at = [pd.Timestamp(year, 1, 1) for year in range(first.year + 1, last.year + 1) if year % step == 0]
        return tuple(_time_tick(day, first, last, f"{day:%Y}") for day in at)
    step = next(months for months in MONTH_STEPS if 12 * years / months <= MOST_TICKS)
    months = pd.date_range(first, last, freq="MS")
    at = [day for day in months if (day.month - 1) % step == 0] or [first]
    return tuple(_time_tick(day, first, last, f"{day:%b %Y}" if len(at) < MOST_TICKS else f"{day:%b %y}") for day in at)


def _named_folds(folds: Sequence[Fold]) -> list[tuple[int, str]]:
    """At most six folds, by place: the first of some years, or by month where there are few years."""
    years = [fold.first.year for fold in folds]
    starts = [at for at, year in enumerate(years) if at == 0 or years[at - 1] != year]
    if len(starts) > YEARS_ON_AXIS:
        apart = [0]  # years without a fold leave others next to each other
        for at in starts[:: -(-len(starts) // MOST_TICKS)]:
            apart += [at] if at - apart[-1] >= len(folds) / (MOST_TICKS + 1) else []
        return [(at, str(years[at])) for at in apart]
    return [(at, f"{folds[at].first:%b %y}") for at in range(0, len(folds), -(-len(folds) // (MOST_TICKS - 2)))]


def _time_tick(day: pd.Timestamp, first: pd.Timestamp, last: pd.Timestamp, text: str) -> Tick:
    return Tick(round((day - first) / max(last - first, pd.Timedelta(days=1)) * 100, 2), text)


def _spans(shown: Distribution) -> list[str]:
    pairs = zip(100 * shown.edges[:-1], 100 * shown.edges[1:], shown.counts, strict=True)
    return [f"{low:+.2f} to {high:+.2f} %: {count:,} sessions" for low, high, count in pairs]


def _range(shown: Sequence[pd.Series], rule: float, can_be_log: bool) -> tuple[float, float, bool]:
    """The lowest and the highest value with a little room, and whether the scale is logarithmic."""
    values = np.concatenate([series.to_numpy() for series in shown])
    low, high = float(np.nanmin(values, initial=rule)), float(np.nanmax(values, initial=rule))
    if can_be_log and low > 0 and high / low > LOG_FROM_RATIO:
        room = (high / low) ** 0.03
        return low / room, high * room, True
    room = 0.04 * (high - low) or 0.01 * abs(rule) or 0.01
    return low - room * (low < rule or low == high), high + room * (high > rule or low == high), False


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]
        if len(ticks) <= MOST_TICKS:
            break
    return ticks


def _left(sessions: pd.Index, span: pd.Index) -> Floats:
    whole = max(span[1] - span[0], pd.Timedelta(days=1))
    return np.asarray((sessions - span[0]) / whole * WIDTH, dtype=np.float64)


def _top(values: Floats, low: float, high: float, log: bool) -> Floats:
    if log:
        values, low, high = np.log(values), float(np.log(low)), float(np.log(high))
    return np.asarray((high - values) / (high - low) * HEIGHT, dtype=np.float64)


def _path(left: Floats, top: Floats) -> str:
    """An SVG path with a break where a value is missing, of the lowest and the highest point of each stretch of a long line."""
    known = np.flatnonzero(~np.isnan(top))
    pieces = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return "".join(f"M{'L'.join(f'{left[at]:.0f},{top[at]:.0f}' for at in _kept(piece, top))}" for piece in pieces if len(piece))


def _kept(piece: NDArray[np.int64], top: Floats) -> NDArray[np.int64]:
    if len(piece) <= 2 * MOST_BUCKETS:
        return piece
    buckets = np.array_split(piece, MOST_BUCKETS)
    extremes = [bucket[[top[bucket].argmin(), top[bucket].argmax()]] for bucket in buckets]
    return np.unique(np.concatenate([piece[[0, -1]], *extremes]))
