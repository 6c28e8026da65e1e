"""The order of draws: Optuna proposes from what was judged, the same ones whether the search was interrupted or not."""

import math
from collections.abc import Callable, Mapping
from time import process_time

import joblib
import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from nightdesk.backtest.fits import FitCache, Made
from nightdesk.search.folds import Judged, fold_fits, judged
from nightdesk.search.ground import Ground
from nightdesk.search.space import Value, configured, distributions, grid, search_of, size, thresholds
from nightdesk.search.trials import Draw, DrawFacts, DrawFiles, State, annual_sharpe
from schemas.search import Search
from schemas.strategy import Strategy

SLOW_DRAW_S = 2.0
"""After a draw that took more processor time its fits are spread over processes: starting these takes seconds, once."""
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
NEVER_PRUNED = 5
"""The first draws are judged on all folds: a median of fewer says little."""


def draws_for(strategy: Strategy, trials: int) -> int:
    """How many draws make so many trials: one draw is a trial at each threshold. No more than there are."""
    wanted = math.ceil(trials / len(thresholds(strategy)))
    return int(min(wanted, size(search_of(strategy))))


def search_draws(
    strategy: Strategy, ground: Ground, trials: int, files: DrawFiles, cache: FitCache, tell: Callable[[int, int], None]
) -> list[Draw]:
    """All draws of a search of so many trials: those that are kept, then the others, each kept as soon as it is judged.

    A draw is proposed from its number, the seed and the draws before it alone. So one that was cut off is the next one again,
    and an interrupted search draws what an uninterrupted one does. `tell` hears how many of how many trials are judged.
    """
    each, wanted = len(thresholds(strategy)), draws_for(strategy, trials)
    done, proposals = files.load_draws(), Proposals(strategy, wanted)
    for draw in done:
        proposals.learn(draw, ground)
    workers = 1
    tell(len(done) * each, max(wanted, len(done)) * each)
    while len(done) < wanted:
        started = process_time()
        draw = _judged_draw(strategy, ground, cache, len(done), proposals, workers)
        files.save_draw(draw)
        done.append(draw)
        proposals.learn(draw, ground)
        workers = joblib.cpu_count() if process_time() - started > SLOW_DRAW_S else workers
        tell(len(done) * each, wanted * each)
    return done


class Proposals:
    """What to draw next, and whether a draw may be given up. The whole of a finite space where it is to be tried whole, else
    Optuna's TPE sampler; never the same values twice."""

    def __init__(self, strategy: Strategy, wanted: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._strategy, self._search = strategy, search_of(strategy)
        self._distributions = distributions(self._search)
        self._every = grid(self._search) if math.isfinite(size(self._search)) else None
        self._whole = size(self._search) <= wanted
        self._study = optuna.create_study(direction="maximize")
        self._pruner = optuna.pruners.MedianPruner(n_startup_trials=NEVER_PRUNED)
        self._seen: set[str] = set()
        self._next = 0

    def learn(self, draw: Draw, ground: Ground) -> None:
        """Take a judged draw into account."""
        steps = step_scores(draw, self._search, ground)
        complete = draw.facts.state == "complete"
        self._seen.add(_name(draw.facts.values))
        self._study.add_trial(
            create_trial(
                state=STATES[draw.facts.state],
                value=steps[-1] if complete else None,
                params=draw.facts.values,
                distributions=self._distributions,
                intermediate_values={} if draw.facts.state == "failed" else dict(enumerate(steps)),
            )
        )

    def proposed(self, number: int) -> dict[str, Value]:
        """The values of the draw of a number."""
        if self._whole:
            return self._unseen(lambda: self._counted())
        self._study.sampler = optuna.samplers.TPESampler(seed=_seed(self._search.seed, number))
        asked = self._study.ask(self._distributions)
        self._study.tell(asked, state=TrialState.FAIL)  # what becomes of it is learnt from its draw
        if self._every is None or _name(asked.params) not in self._seen:
            return dict(asked.params)
        chance = np.random.default_rng(_seed(self._search.seed, number))
        return self._unseen(lambda: int(chance.integers(int(size(self._search)))))

    def gives_up(self, draw: Draw, ground: Ground) -> bool:
        """Whether a draw that is judged on its first folds is below the median of the complete ones there."""
        steps = step_scores(draw, self._search, ground)
        if not self._search.prune or len(steps) == len(ground.folds):
            return False
        running = create_trial(
            state=TrialState.RUNNING,
            params=draw.facts.values,
            distributions=self._distributions,
            intermediate_values=dict(enumerate(steps)),
        )
        return bool(self._pruner.prune(self._study, running))

    def _counted(self) -> int:
        self._next += 1
        return self._next - 1

    def _unseen(self, place: Callable[[], int]) -> dict[str, Value]:
        while True:
            values = _of_grid(self._every or {}, place())
            if _name(values) not in self._seen:
                return values


def step_scores(draw: Draw, search: Search, ground: Ground) -> list[float]:
    """After each fold that was judged: the best score of the draw's thresholds on the folds up to it."""
    judged_folds = int((~np.isnan(draw.accuracy[0])).sum())
    steps = []
    for last in range(judged_folds):
        if search.score == "accuracy":
            steps.append(float(draw.accuracy[:, : last + 1].mean(axis=1).max()))
        else:
            steps.append(max(annual_sharpe(returns[ground.fold_of <= last]) for returns in draw.returns))
    return steps


def _judged_draw(strategy: Strategy, ground: Ground, cache: FitCache, number: int, proposals: Proposals, workers: int) -> Draw:
    """Fit and judge a draw on each fold, until one cannot be fitted or it is given up."""
    values, levels, search = proposals.proposed(number), thresholds(strategy), search_of(strategy)
    tried, fits = configured(strategy, values, None), list[Made]()
    for made in fold_fits(tried, ground, cache, 1 if search.prune else len(ground.folds), workers):
        if made.facts.status == "degenerate":
            reason = f"fold {len(fits) + 1}: {made.facts.reason}"
            return _draw(number, values, "failed", reason, levels, judged(tried, ground, [], levels))
        fits.append(made)
        if search.prune and len(fits) < len(ground.folds):
            so_far = _draw(number, values, "pruned", "", levels, judged(tried, ground, fits, levels))
            if proposals.gives_up(so_far, ground):
                return so_far
    return _draw(number, values, "complete", "", levels, judged(tried, ground, fits, levels))


def _draw(
    number: int, values: dict[str, Value], state: State, reason: str, levels: tuple[float | None, ...], said: Judged
) -> Draw:
    return Draw(DrawFacts(number, values, state, reason, levels), said.returns, said.accuracy)


def _of_grid(every: dict[str, list[Value]], number: int) -> dict[str, Value]:
    """The point of a number of the grid, the last key first."""
    values = {}
    for key, choices in reversed(every.items()):
        number, place = divmod(number, len(choices))
        values[key] = choices[place]
    return dict(reversed(values.items()))


def _name(values: Mapping[str, object]) -> str:
    return repr(sorted(values.items()))


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
