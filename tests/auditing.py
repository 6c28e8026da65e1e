"""Bars and steps of strategies for the tests of the leak tests."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from nightdesk.audit.audited import Audited
from nightdesk.audit.report import Audit, audit
from nightdesk.features.panels import Panels, panels
from nightdesk.learning.fit import KEYS, PREDICTED, Fit
from nightdesk.learning.labels import labels
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from schemas.labels import Labels
from schemas.learnt import Target

Feature = Callable[[Panels], pd.DataFrame]
FITS_CALLED = ("train_first", "train_last", "test_first", "test_last")


def two_symbols(count: int = 520) -> pd.DataFrame:
    """Bars of two symbols over the sessions from 2015 on: random walks with volumes, dividends and one split."""
    sessions = exchange_sessions("XNYS").between(date(2015, 1, 2), date(2019, 12, 31))[:count]
    drawn, frames = np.random.default_rng(3), []
    for symbol in ("AAA", "BBB"):
        close = 100.0 * np.exp(np.cumsum(drawn.normal(0.0, 0.01, count)))
        low, high = close * (1 - drawn.uniform(0.001, 0.02, count)), close * (1 + drawn.uniform(0.001, 0.02, count))
        open_ = low + (high - low) * drawn.uniform(size=count)
        frame = pd.DataFrame({Bars.session: sessions, Bars.symbol: symbol, Bars.open: open_, Bars.high: high, Bars.low: low})
        frame[Bars.close], frame[Bars.volume] = close, drawn.integers(1_000, 9_000, count).astype(float)
        frame[Bars.dividend], frame[Bars.split] = np.where(np.arange(count) % 63 == 40, 0.5, 0.0), 1.0
        frames.append(frame)
    return pd.concat(frames).sort_values([Bars.session, Bars.symbol], ignore_index=True)


def features_of(**made: Feature) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """From functions of panels to the function from bars to a `Features` frame that an audit takes."""

    def features(bars: pd.DataFrame) -> pd.DataFrame:
        prices = panels(bars)
        present = prices.close.stack().dropna().index
        matrix = pd.DataFrame({name: feature(prices).stack().reindex(present) for name, feature in made.items()})
        matrix.index.names = KEYS
        return matrix.reset_index()

    return features


def audit_of_features(count: int = 12, **made: Feature) -> Audit:
    """What is found where there are features alone."""
    return audit(Audited(name="planted", features=features_of(**made)), two_symbols(), count)


def known_labels(horizon: int, said: int | None = None, early: int = 0) -> Callable[[pd.DataFrame, date], pd.DataFrame]:
    """Labels of a horizon. `said` is what their label_end says instead; `early` sessions too early they are used."""

    def known(bars: pd.DataFrame, session: date) -> pd.DataFrame:
        made = labels(bars, Target(name="close_up", horizon_sessions=horizon))
        index = pd.DatetimeIndex(bars[Bars.session].unique())
        if said is not None:
            made[Labels.label_end] = index[index.get_indexer(made[Labels.session]) + said]
        last = index[min(len(index) - 1, index.get_loc(pd.Timestamp(session)) + early)]
        return made[made[Labels.label_end] <= last].reset_index(drop=True)

    return known


def split_fit(
    purge: int = 1, scaled_on: str = "train", fitted_on: str = "train", model: Callable[[], object] = NearestCentroid
) -> Callable[[pd.DataFrame, pd.DataFrame], Fit]:
    """A fit on the first 80 % of the sessions but the last `purge` of them, tested on the rest; scaler and model may see more.

    `scaled_on` is "train", "labelled" (all rows with a label) or "everything"; `fitted_on` is "train" or "labelled".
    """

    def fit(features: pd.DataFrame, known: pd.DataFrame) -> Fit:
        names = [name for name in features.columns if name not in KEYS]
        rows = known.merge(features, on=KEYS).dropna().sort_values(KEYS, ignore_index=True)
        sessions = np.unique(rows[Labels.session])
        cut = int(0.8 * len(sessions))
        train = rows[rows[Labels.session] < sessions[cut - purge]]
        test = rows[rows[Labels.session] >= sessions[cut]]
        scaled = {"train": train, "labelled": rows, "everything": features.fillna(0.0)}[scaled_on]
        learned = {"train": train, "labelled": rows}[fitted_on]
        scaler = StandardScaler().fit(scaled[names])
        fitted = model().fit(scaler.transform(learned[names]), learned[Labels.label])  # type: ignore[attr-defined]  # any classifier of scikit-learn
        pipeline = Pipeline([("scale", scaler), ("model", fitted)])
        said = fitted.predict(scaler.transform(test[names]))
        tested = test[[*KEYS, Labels.label]].assign(**{PREDICTED: said})
        days = dict(
            zip(FITS_CALLED, [part[Labels.session].iloc[at].date() for part in (train, test) for at in (0, -1)], strict=True)
        )
        return Fit(pipeline, **days, metrics={}, confusion=((0, 0), (0, 0)), test_predictions=tested, status="passed",
                   reason="", deployed="as_tested")  # fmt: skip

    return fit


HONEST = features_of(
    range_=lambda prices: (prices.high - prices.low) / prices.close,
    momentum=lambda prices: prices.close.pct_change(5, fill_method=None),
)


def found(made: Audit) -> dict[str, set[str]]:
    """What leaks, by check."""
    return {one.check: {leak.what for leak in one.leaks} for one in made.checks if one.result == "LEAK"}
