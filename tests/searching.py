"""Small searches for tests: two years of bars in a folder, a quick model, and a process to be killed in the middle of one."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from nightdesk.market.sample import SampleSource
from nightdesk.search.run import Searched, run_search
from nightdesk.settings import Settings
from schemas.bars import Bars
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed

SESSIONS = 420
SPACE: dict[str, Any] = {
    "params": {"model.params.C": {"low": 0.001, "high": 100.0, "log": True}},
    "features": [["open_minus_close", "high_minus_low"], ["high_minus_low"]],
    "thresholds": [0.0, 0.1],
    "folds": 3,
}


def unheard(done: int, of: int) -> None:
    """Progress that nobody follows."""


def bars_of(sessions: int = SESSIONS) -> pd.DataFrame:
    """The last sessions of the sample."""
    return SampleSource().fetch_bars(["^GSPC"], *(SampleSource.span or ())).tail(sessions).reset_index(drop=True)


def small_search(**search: Any) -> Document:
    """The seed on a folder of files, with a quick model and a small space; keys of the search as given."""
    document = seed()
    document["market"]["source"] = "csvdir"
    document["model"]["min_train_sessions"] = 60
    document["search"] = {**SPACE, **search}
    return document


def settings_of(folder: Path, bars: pd.DataFrame | None = None) -> Settings:
    """A home whose folder of files has these bars."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "strategies").mkdir(exist_ok=True)
    shown = bars_of() if bars is None else bars
    shown.drop(columns=Bars.symbol).to_csv(folder / "data" / "^GSPC.csv", index=False)
    return Settings(home=folder / "home", data=folder / "data", strategies=folder / "strategies", mlflow_uri=NO_MLFLOW)


def searched_in(
    folder: Path, trials: int | None, document: Document | None = None, bars: pd.DataFrame | None = None, **also: Any
) -> Searched:
    """A search in a home below `folder`; `open_holdout` and `tell` may be given."""
    here = settings_of(folder, bars)
    path = saved(document or small_search(), folder)
    return run_search(path, trials, also.get("open_holdout", False), here, also.get("tell", unheard))


if __name__ == "__main__":  # a process that searches until it is killed
    searched_in(Path(sys.argv[1]), int(sys.argv[2]), tell=lambda done, of: print(done, flush=True))
