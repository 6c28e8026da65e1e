"""What is audited: the steps of a strategy as plain functions, whoever wrote them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import pandas as pd


class Fitted(Protocol):
    """What a fit must tell; `nightdesk.learning.fit.Fit` does.

    `estimator` is None where the fit gave no usable model, and `reason` says why. `test_first` is the first session that was
    tested on; `test_predictions` has the columns session, symbol, label and predicted of the tested rows.
    """

    @property
    def estimator(self) -> Any: ...
    @property
    def reason(self) -> str: ...
    @property
    def test_first(self) -> date | None: ...
    @property
    def test_predictions(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """The steps from bars to fills. A step that is None is left out of the audit, and the report says so.

    `features(bars)` gives a `Features` frame; `labels(bars, session)` the `Labels` that a fit at the close of the session uses;
    `fit(features, labels)` the fit; `signal(features, estimator, session)` a frame of numbers and words, a row for each
    instrument; `fills(bars, session)` the fills of orders decided at the close of the session, with the columns session,
    instrument and price. All take a whole `Bars` or `Features` frame, which may reach beyond the session. None may change what
    it is given or remember it.
    """

    name: str
    features: Callable[[pd.DataFrame], pd.DataFrame]
    labels: Callable[[pd.DataFrame, date], pd.DataFrame] | None = None
    fit: Callable[[pd.DataFrame, pd.DataFrame], Fitted] | None = None
    signal: Callable[[pd.DataFrame, Any, date], pd.DataFrame] | None = None
    fills: Callable[[pd.DataFrame, date], pd.DataFrame] | None = None
