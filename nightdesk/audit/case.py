"""One audit under way: what is audited, on which bars, at which sessions, and what was computed already."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from nightdesk.audit.audited import Audited, Fitted
from nightdesk.audit.perturbed import cut_after
from nightdesk.errors import NightdeskError
from schemas.bars import Bars

Turns = Callable[[str, Sequence[date]], Iterable[date]]
Rest = ParamSpec("Rest")
Result = TypeVar("Result")
MODEL_SESSIONS = 6
"""At so many of the sessions fits are made again and again."""


def quietly(function: Callable[Rest, Result], *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
    """The function's result, its warnings about strange numbers unheard: the audit feeds it strange numbers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Case:
    """`turns(check, sessions)` passes the sessions on, one at a time: there the progress is shown.

    `leaking` are the features that a check has found to look ahead.
    """

    audited: Audited
    bars: pd.DataFrame
    sessions: Sequence[date]
    turns: Turns
    features: pd.DataFrame = field(init=False)
    index: pd.DatetimeIndex = field(init=False)
    leaking: set[str] = field(init=False, default_factory=set)
    _fits: dict[date, Fitted] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", quietly(self.audited.features, self.bars.copy()))
        object.__setattr__(self, "index", pd.DatetimeIndex(np.unique(self.bars[Bars.session].to_numpy())))

    def tried_features(self, bars: pd.DataFrame, failed: list[str]) -> pd.DataFrame | None:
        """The features of other bars; None where they cannot be made of such bars, with the sentence why in `failed`."""
        try:
            return quietly(self.audited.features, bars)
        except NightdeskError as error:
            failed.append(error.message)
            return None

    def known_labels(self, bars: pd.DataFrame, session: date) -> pd.DataFrame:
        """The labels that a fit at the session uses."""
        return quietly(self.audited.labels, bars, session) if self.audited.labels else pd.DataFrame()

    def refitted(self, features: pd.DataFrame, labels: pd.DataFrame) -> Fitted | None:
        """A fit on other rows."""
        return quietly(self.audited.fit, features, labels) if self.audited.fit else None

    def fit_at(self, session: date) -> Fitted | None:
        """The fit at the close of the session, on features that end there. Made once."""
        if session not in self._fits and self.audited.fit is not None:
            known = self.known_labels(self.bars.copy(), session)
            self._fits[session] = quietly(self.audited.fit, cut_after(self.features, session), known)
        return self._fits.get(session)

    @property
    def model_sessions(self) -> list[date]:
        """Some of the sessions of the second half of the bars, where there is a past to fit on."""
        late = [session for session in self.sessions if pd.Timestamp(session) >= self.index[len(self.index) // 2]]
        chosen = np.linspace(0, len(late) - 1, min(MODEL_SESSIONS, len(late))).round().astype(int)
        return [late[place] for place in chosen]

    def last_estimator(self) -> Any:
        """That of the newest usable fit, None where there is none."""
        fits = [self.fit_at(session) for session in reversed(self.model_sessions)]
        return next((made.estimator for made in fits if made is not None and made.estimator is not None), None)
