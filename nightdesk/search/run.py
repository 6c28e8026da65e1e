"""One search: bars, ground, draws, evidence, the challenger, and the hold-out where it is to be opened."""

import fcntl
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from nightdesk.backtest.fits import FitCache
from nightdesk.backtest.report import conclusion as backtest_conclusion
from nightdesk.backtest.run import checked_history, run_backtest
from nightdesk.clock import WallClock
from nightdesk.day.validate import bars_sha256
from nightdesk.errors import Misconfigured, TryAgain
from nightdesk.performance.trials import trial_of
from nightdesk.search.challenger import save_challenger
from nightdesk.search.evidence import Evidence, best_trial, conclusion, evidence_of, holdout_words
from nightdesk.search.ground import Ground, ground_of, holdout_start
from nightdesk.search.holdout import Opening, Openings
from nightdesk.search.space import configured, require_usable, search_of
from nightdesk.search.study import search_draws
from nightdesk.search.trials import Draw, DrawFiles, Trial, trials_of
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.orders import open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from schemas.strategy import Strategy

DEFAULT_TRIALS = 100
SEARCHES = "searches"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a search was begun on; its later parts go on with the same. Dates are ISO text."""

    search_id: str
    first: str
    last: str
    holdout_first: str
    bars_sha256: str
    begun_at: str


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """A search as it stands. `made` of the trials were judged now; `opened` is its own opening of the hold-out, `seen` all that
    touch these sessions, its own with them; `challenger` is the winner's strategy file."""

    strategy: Strategy
    begun: Begun
    ground: Ground
    draws: list[Draw]
    trials: list[Trial]
    made: int
    best: Trial
    evidence: Evidence
    challenger: Path
    seen: tuple[Opening, ...]
    opened: Opening | None
    warnings: tuple[str, ...]

    @property
    def conclusion(self) -> str:
        """What the evidence allows to say, in words."""
        return f"{conclusion(self.trials, self.best, self.evidence)} {holdout_words(self.seen, self.begun.search_id)}"


def run_search(
    strategy_name: str, trials: int | None, open_holdout: bool, here: Settings, tell: Callable[[int, int], None]
) -> Searched:
    """Go on with the search of a strategy file up to `trials` in all; the winner becomes a challenger.

    Without `trials`: as many as it has, 100 where it has none. A search is the strategy and its `[search]`: it keeps the bars and
    the hold-out that it began with. `tell` hears how many of how many trials are judged.

    Raises
    ------
    Misconfigured
        The strategy, its `[search]` or the number of trials is not what it must be, there is too little history, or the bars
        are no longer those of the search; also where the hold-out was opened by this search before.
    TryAgain
        The same search runs elsewhere.
    BadData
        The bars have errors.
    """
    strategy = load_strategy(strategy_name, here)
    if trials is not None and trials < 1:
        raise Misconfigured.value("trials", trials, "1 or more")
    require_usable(strategy)
    folder = here.home / SEARCHES / search_id_of(strategy)
    with _alone(folder):
        begun, bars, warnings = _begun(strategy, folder, here)
        openings = Openings(here.home / SEARCHES / "holdouts.jsonl")
        if open_holdout:
            _require_locked(begun, _seen(strategy, begun, openings))
        ground = ground_of(strategy, bars, date.fromisoformat(begun.holdout_first))
        cache, files = FitCache(here.home / "cache" / "fits"), DrawFiles(folder / "draws")
        before = len(files.load_draws())
        wanted = trials or (1 if before else DEFAULT_TRIALS)
        draws = search_draws(strategy, ground, wanted, files, cache, tell)
        search = search_of(strategy)
        judged = [trial for draw in draws for trial in trials_of(draw, search, ground.fold_of)]
        best = _best(judged, draws)
        found = evidence_of(strategy, ground, draws, judged, best, cache)
        _append_trials(strategy, ground, draws, judged, begun, here)
        seen = _seen(strategy, begun, openings)
        winner = configured(strategy, best.values, best.threshold)
        said = conclusion(judged, best, found)
        challenger = save_challenger(winner, _header(strategy, begun, best, said), here.strategies_dir)
        if open_holdout:
            _open(strategy, begun, best, len(judged), challenger, openings, here)
            seen = _seen(strategy, begun, openings)
    return Searched(
        strategy=strategy,
        begun=begun,
        ground=ground,
        draws=draws,
        trials=judged,
        made=(len(draws) - before) * (len(judged) // len(draws)),
        best=best,
        evidence=found,
        challenger=challenger,
        seen=seen,
        opened=next((one for one in seen if one.search_id == begun.search_id), None),
        warnings=warnings,
    )


def search_id_of(strategy: Strategy) -> str:
    """The strategy's name and a hash of what it is and what is tried."""
    told = [strategy.sha256, search_of(strategy).model_dump(mode="json")]
    return f"{strategy.name}-{hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]}"


def _begun(strategy: Strategy, folder: Path, here: Settings) -> tuple[Begun, pd.DataFrame, tuple[str, ...]]:
    """What the search was begun on, its bars, and what the checks warn of. The first time it is decided here, for ever."""
    path, sessions = folder / "search.json", exchange_sessions(strategy.market.calendar)
    before = Begun(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
    bars, findings = checked_history(strategy, sessions, date.fromisoformat(before.last) if before else None, here)
    warnings = tuple(row.message for row in findings)
    days = pd.DatetimeIndex(bars[Bars.session].unique()).sort_values()
    now = Begun(
        search_id=folder.name,
        first=days[0].date().isoformat(),
        last=days[-1].date().isoformat(),
        holdout_first=holdout_start(days, search_of(strategy).holdout_fraction).isoformat(),
        bars_sha256=bars_sha256(bars),
        begun_at=WallClock().now().isoformat(timespec="seconds"),
    )
    if before is None:
        path.with_suffix(".part").write_text(json.dumps(asdict(now), indent=1), encoding="utf-8")
        path.with_suffix(".part").replace(path)
        return now, bars, warnings
    if before.bars_sha256 != now.bars_sha256:
        raise Misconfigured(
            f"The bars up to {before.last} are no longer those that the search {before.search_id} began with on "
            f"{before.begun_at[:10]}: another search.seed begins a new one."
        )
    return before, bars, warnings


def _append_trials(
    strategy: Strategy, ground: Ground, draws: Sequence[Draw], trials: Sequence[Trial], begun: Begun, here: Settings
) -> None:
    """Count every trial that was judged in the paper ledger, a pruned one with the sessions that it was judged on."""
    at, made = WallClock().now(), []
    with closing(open_ledger("paper", here)) as ledger:
        for trial in trials:
            if trial.state == "failed":
                continue
            returns = draws[trial.draw].returns[trial.place][1:]
            days = ground.sessions[1:][~np.isnan(returns)]
            made.append(
                trial_of(
                    configured(strategy, trial.values, trial.threshold),
                    returns[~np.isnan(returns)],
                    first=days[0].date(),
                    last=days[-1].date(),
                    origin="search",
                    evaluated_at=at,
                    search_id=begun.search_id,
                )
            )
        ledger.append_trials(made)


def _best(trials: list[Trial], draws: list[Draw]) -> Trial:
    failed = [draw.facts.reason for draw in draws if draw.facts.state == "failed"]
    if len(failed) == len(draws):
        raise Misconfigured(f"None of {len(draws)} draws could be fitted on all folds; the first: {failed[0]}.")
    return best_trial(trials)


def _seen(strategy: Strategy, begun: Begun, openings: Openings) -> tuple[Opening, ...]:
    first, last = date.fromisoformat(begun.holdout_first), date.fromisoformat(begun.last)
    return tuple(one for one in openings.load_openings() if one.overlaps(strategy.data_symbols, first, last))


def _require_locked(begun: Begun, seen: tuple[Opening, ...]) -> None:
    own = next((one for one in seen if one.search_id == begun.search_id), None)
    if own is not None:
        raise Misconfigured(f"{own.sentence}: a search opens it once. What it said then is in every report of the search.")


def _open(
    strategy: Strategy,
    begun: Begun,
    best: Trial,
    trials: int,
    challenger: Path,
    openings: Openings,
    here: Settings,
) -> None:
    """Play the challenger over the hold-out and keep what it did there, before anybody sees it."""
    first, last = date.fromisoformat(begun.holdout_first), date.fromisoformat(begun.last)
    played = run_backtest(str(challenger), first, last, None, here, lambda done, of: None)
    openings.append_opening(
        Opening(
            opened_at=WallClock().now().isoformat(timespec="seconds"),
            search_id=begun.search_id,
            strategy=strategy.name,
            challenger=challenger.name,
            config_sha256=played.strategy.sha256,
            trial=best.number,
            trials=trials,
            symbols=strategy.data_symbols,
            first=begun.holdout_first,
            last=begun.last,
            conclusion=backtest_conclusion(played),
            figures={name: value if math.isfinite(value) else None for name, value in played.figures.items()},
        )
    )


def _header(strategy: Strategy, begun: Begun, best: Trial, said: str) -> list[str]:
    found = [f"{key} = {value}" for key, value in best.values.items()]
    level = [] if best.threshold is None else [f"signal.threshold = {best.threshold}"]
    return [
        f"Challenger of {strategy.name}, made by `nightdesk optimise`: trial {best.number} of the search {begun.search_id},",
        f"on the sessions {begun.first} up to the hold-out, which begins on {begun.holdout_first} and ends on {begun.last}.",
        f"Score ({search_of(strategy).score}): {best.score:.4f}. Chosen: {'; '.join([*found, *level])}.",
        *said.replace(". ", ".\n").splitlines(),
        "Its account is its own; every key is written out, also where it is at its default.",
    ]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time searches in a folder; the lock dies with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TryAgain(f"The search {folder.name} runs in another process.", search=folder.name) from None
        yield
