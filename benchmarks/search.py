"""`search`: J6, 200 trials x 5 time-ordered folds of SVC (C, gamma) and a threshold, against scikit-learn's and Optuna's way.

Every way judges the same 10 (C, gamma) at the same 20 thresholds on the same folds; a peer fits for each trial and fold.
`python -m benchmarks.search WAY HOME` is one way in a process of its own.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.homes import environment
from benchmarks.measure import measured
from benchmarks.result import Result, Row

C = (0.1, 0.3, 1.0, 3.0, 10.0)
GAMMA = (0.1, 1.0)
THRESHOLDS = tuple(np.round(np.linspace(-0.95, 0.95, 20), 2).tolist())
FOLDS, SESSIONS = 5, 5_031
"""All sessions of the sample. A peer takes five minutes of processor time or more."""
PEERS = ("GridSearchCV", "optuna")


def measured_search(runs: int, work: Path) -> Result:
    """Processes from their start to their end, in processor seconds; a peer runs once."""
    ours = [_sample("nightdesk", work / f"home{number}") for number in range(runs)]
    again = _sample("nightdesk", work / "home0")
    peers = {way: _sample(way, work / "peers") for way in PEERS}
    rows = [
        Row("200 trials, processor seconds", [cpu for cpu, _ in ours]),
        Row("the same with all fits known", [again[0]]),
        *(Row(f"{way}, processor seconds", [peers[way][0]]) for way in PEERS),
        Row("times as fast as GridSearchCV", [peers["GridSearchCV"][0] / cpu for cpu, _ in ours], "x", at_least=10),
        Row("largest difference of the best score", [max(abs(peers[way][1] - ours[0][1]) for way in PEERS)], "", at_most=1e-12),
    ]
    return Result("search", f"J6: 200 trials x {FOLDS} folds of SVC (C, gamma) and a threshold, {SESSIONS} sessions", rows)


def _sample(way: str, home: Path) -> tuple[float, float]:
    home.mkdir(parents=True, exist_ok=True)
    made = measured([sys.executable, "-m", "benchmarks.search", way, str(home)], environment(home), home)
    return made.cpu_seconds, float(json.loads(made.stdout)["best"])


def strategy() -> Any:
    """The seed strategy with J6's space."""
    from nightdesk.settings import settings
    from nightdesk.wiring.strategies import load_strategy
    from schemas.search import Search
    from schemas.strategy import Strategy

    space = {"model.params.C": C, "model.params.gamma": GAMMA}
    search = Search(params=space, thresholds=THRESHOLDS, score="accuracy", folds=FOLDS)  # type: ignore[arg-type]  # pydantic reads it
    document = load_strategy("sp500_svc", settings()).model_dump(mode="json") | {"search": search.model_dump(mode="json")}
    return Strategy.model_validate(document)


def ground() -> Any:
    """The rows and folds that every way judges on."""
    from nightdesk.market.sample import SampleSource
    from nightdesk.search.ground import ground_of

    bars = SampleSource().fetch_bars(["^GSPC"], *(SampleSource.span or ())).tail(SESSIONS)
    return ground_of(strategy(), bars.reset_index(drop=True), bars["session"].max().date())


def ours(home: Path) -> float:
    """The best score of our search."""
    from nightdesk.backtest.fits import FitCache
    from nightdesk.search.study import search_draws
    from nightdesk.search.trials import DrawFiles, trials_of

    on, told = ground(), strategy()
    cache, count = FitCache(home / "cache" / "fits"), len(list((home / "cache").glob("draws*")))
    draws = search_draws(told, on, 200, DrawFiles(home / "cache" / f"draws{count}"), cache, lambda done, of: None)
    return max(trial.score for draw in draws for trial in trials_of(draw, told.search, on.fold_of))


def thresholded() -> Any:
    """What a user of scikit-learn writes: a classifier whose threshold is a parameter."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    class Thresholded(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def __init__(self, C: float = 1.0, gamma: float = 1.0, threshold: float = 0.0) -> None:  # noqa: N803 - scikit-learn's own name
            self.C, self.gamma, self.threshold = C, gamma, threshold

        def fit(self, x: Any, y: Any) -> Any:
            self.model_ = make_pipeline(StandardScaler(), SVC(C=self.C, gamma=self.gamma, random_state=0)).fit(x, y)
            self.classes_ = self.model_.classes_
            return self

        def predict(self, x: Any) -> Any:
            return (self.model_.decision_function(x) > self.threshold).astype("int64")

    return Thresholded()


def theirs(way: str) -> float:
    """The best mean accuracy that a peer finds on the same grid and folds."""
    on, space = ground(), {"C": C, "gamma": GAMMA, "threshold": THRESHOLDS}
    x, y = on.rows.x, on.rows.label
    splits = [(fold.train, fold.tests[0]) for fold in on.folds]
    if way == "GridSearchCV":
        from sklearn.model_selection import GridSearchCV

        return float(GridSearchCV(thresholded(), space, cv=splits, refit=False).fit(x, y).best_score_)
    import optuna
    from sklearn.model_selection import cross_val_score

    def score(trial: Any) -> float:
        chosen = {name: trial.suggest_categorical(name, values) for name, values in space.items()}
        return float(cross_val_score(thresholded().set_params(**chosen), x, y, cv=splits).mean())

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GridSampler(space, seed=0))
    study.optimize(score, n_trials=200)
    return float(study.best_value)


if __name__ == "__main__":
    chosen, folder = sys.argv[1:]
    json.dump({"best": ours(Path(folder)) if chosen == "nightdesk" else theirs(chosen)}, sys.stdout)
