"""The door to MLflow. What MLflow can not take now waits in the spool; the day never waits for it."""

import http.client
import io
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import pandas as pd

from nightdesk.errors import Misconfigured, NightdeskError
from nightdesk.tracking.runs import Runs
from nightdesk.tracking.spool import Item, Spool, load_record

PROBE_TIMEOUT_S = 1.0
REFUSALS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")
"""MLflow's error codes that no later attempt can change: the item is set aside, the next one is tried."""


@dataclass(frozen=True)
class FitLog:
    """One fit, as a run. `dataset` is the features in their order and "label"; `pictures` and `texts` are artifacts by name;
    `note` and `experiment_note` are descriptions, markdown."""

    experiment: str
    experiment_note: str
    run_name: str
    note: str
    registered_model: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    dataset: pd.DataFrame
    dataset_name: str
    dataset_source: str
    model_file: Path
    model_file_sha256: str
    input_example: pd.DataFrame
    pictures: dict[str, bytes]
    texts: dict[str, str]
    alias: Literal["champion", "challenger", ""]


@dataclass(frozen=True)
class DayLog:
    """One day of a model: a point at `step` of each metric of its run. Where `run_id` is "", `fit_key` names the fit."""

    run_id: str
    step: int
    metrics: dict[str, float]
    texts: dict[str, str]
    pictures: dict[str, bytes]
    tags: dict[str, str]
    fit_key: str


@dataclass(frozen=True)
class BacktestLog:
    """One backtest, as a run. `steps` are points of a metric in order: its value at step 0, 1, ..."""

    experiment: str
    run_name: str
    params: dict[str, str]
    metrics: dict[str, float]
    steps: dict[str, list[float]]
    tags: dict[str, str]
    pictures: dict[str, bytes]
    texts: dict[str, str]


@dataclass(frozen=True)
class TrialLog:
    """One trial of a search, as a child run. `number` names it within the search; `fold_scores` are points by fold."""

    number: int
    params: dict[str, str]
    metrics: dict[str, float]
    fold_scores: list[float]
    tags: dict[str, str]


@dataclass(frozen=True)
class SearchLog:
    """A search as it stands, as a run with a child for each trial."""

    experiment: str
    run_name: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    trials: list[TrialLog]
    texts: dict[str, str]


class Tracker:
    """Logs to MLflow through the spool. After one failure `down` is true, `reason` says why, and nothing more is tried.

    `load_model` gets a path and the SHA-256 of its bytes; `trusted_types` go into the logged model. `ui_url` is where a
    browser finds MLflow.
    """

    def __init__(
        self,
        uri: str,
        artifacts: Path,
        spool: Path,
        load_model: Callable[[Path, str], Any],
        trusted_types: Sequence[str],
        ui_url: str,
    ) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._spool = Spool(spool)
        self._load_model = load_model
        self._trusted_types = list(trusted_types)
        self._ui_url = ui_url.rstrip("/")
        self._new_fits: dict[str, str] = {}
        self.down = False
        self.reason = ""

    def log_fit(self, log: FitLog, key: str) -> str:
        """The fit's MLflow run, "" while it is spooled. A `key` that MLflow has keeps its run: one fit is never two runs."""
        names = ("experiment", "run_name", "registered_model", "params", "metrics", "tags", "dataset_name", "dataset_source")
        record = {name: getattr(log, name) for name in (*names, "note", "experiment_note", "model_file_sha256", "alias")}
        frames = {"dataset": log.dataset, "example": log.input_example}
        self._keep(Item(key, {"kind": "fit", **record}, _files(log), frames, log.model_file))
        run_id = self._send_all().get(key, "")
        self._new_fits.pop(key, None)
        return run_id

    def log_day(self, log: DayLog, key: str) -> bool:
        """Whether MLflow has the day now; false while it is spooled."""
        record = {name: getattr(log, name) for name in ("run_id", "step", "metrics", "tags", "fit_key")}
        self._keep(Item(key, {"kind": "day", **record}, _files(log)))
        return key in self._send_all()

    def log_backtest(self, log: BacktestLog, key: str) -> str:
        """The backtest's MLflow run, "" while it is spooled. A `key` that MLflow has keeps its run."""
        names = ("experiment", "run_name", "params", "metrics", "steps", "tags")
        record = {name: getattr(log, name) for name in names}
        self._keep(Item(key, {"kind": "backtest", **record}, _files(log)))
        return self._send_all().get(key, "")

    def log_search(self, log: SearchLog, key: str) -> str:
        """The search's MLflow run, "" while it is spooled. A `key` that MLflow has gets the trials it lacks."""
        record = {name: getattr(log, name) for name in ("experiment", "run_name", "params", "metrics", "tags")}
        trials = [asdict(trial) for trial in log.trials]
        self._keep(Item(key, {"kind": "search", "trials": trials, **record}, _files(log)))
        return self._send_all().get(key, "")

    def flush(self) -> dict[str, str]:
        """Send what is spooled, oldest first. The runs of the fits that got one since the last flush, by key."""
        self._send_all()
        fits, self._new_fits = self._new_fits, {}
        return fits

    def run_of_alias(self, name: str, alias: str) -> str | None:
        """The run whose model an alias of a registered model is on, "" where there is none; None where MLflow is away."""
        with _quiet():
            runs = self._runs()
            try:
                return None if runs is None else runs.run_of_alias(name, alias)
            except _failures() as error:
                self._give_up(f"MLflow at {self._uri} failed: {error}")
                return None

    def run_url(self, run_id: str) -> str:
        """A run's page in MLflow's own pages."""
        return run_page(self._ui_url, run_id)

    def file_url(self, run_id: str, path: str) -> str:
        """Where a running MLflow server gives a file of a run, byte by byte."""
        return f"{self._ui_url}/get-artifact?{urlencode({'path': path, 'run_uuid': run_id})}"

    def _keep(self, item: Item) -> None:
        if any(mark in item.key for mark in "'\"`\\\n"):
            raise Misconfigured.value("tracking key", item.key, "no quotes, backslashes or line breaks")
        try:
            self._spool.save_item(item)
        except OSError as error:
            self._give_up(f"{item.key} was not kept: {error}")

    def _send_all(self) -> dict[str, str]:
        sent: dict[str, str] = {}
        try:
            with self._spool.lock() as alone, _quiet():
                while alone and not self.down and (waiting := self._spool.items()):
                    sent |= self._try_item(waiting[0])
        except OSError as error:
            self._give_up(f"the spool can not be used: {error}")
        return sent

    def _try_item(self, folder: Path) -> dict[str, str]:
        """The item's key and run if MLflow took it; nothing if it has to wait or is set aside."""
        runs = self._runs()
        if runs is None:
            return {}
        try:
            record = load_record(folder)
            save = {"fit": runs.save_fit, "day": runs.save_day, "backtest": runs.save_backtest, "search": runs.save_search}[
                record["kind"]
            ]
            run_id = save(record, folder)
        except (NightdeskError, ValueError, KeyError) as error:  # what the spool holds can not be sent
            self._spool.refuse_item(folder, str(error))
            return {}
        except _failures() as error:
            if getattr(error, "error_code", "") in REFUSALS:
                self._spool.refuse_item(folder, str(error))
            else:
                self._give_up(f"MLflow at {self._uri} failed: {error}")
            return {}
        self._spool.remove_item(folder)
        if record["kind"] == "fit":
            self._new_fits[record["key"]] = run_id
        return {record["key"]: run_id}

    def _give_up(self, reason: str) -> None:
        self.down, self.reason = True, reason

    def _probe(self) -> None:
        """Ask cheaply, before MLflow is imported: it would wait 20 s for a lock and minutes for a silent server."""
        if self._uri.startswith("sqlite:///"):
            path = Path(self._uri.removeprefix("sqlite:///"))
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=PROBE_TIMEOUT_S)) as database:
                database.execute("begin immediate")
            return
        address = urlsplit(self._uri)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        with closing(kind(address.hostname or "", address.port, timeout=PROBE_TIMEOUT_S)) as connection:
            connection.request("GET", f"{address.path.rstrip('/')}/health")
            connection.getresponse()

    def _runs(self) -> Runs | None:
        """MLflow, None where it does not answer."""
        try:
            self._probe()
        except (OSError, sqlite3.Error, http.client.HTTPException) as error:
            self._give_up(f"MLflow at {self._uri} does not answer: {error}")
            return None
        try:
            return Runs(self._uri, self._artifacts, self._load_model, self._trusted_types)
        except _failures(ValueError) as error:  # a ValueError: what answers is no MLflow
            self._give_up(f"MLflow at {self._uri} failed: {error}")
            return None


def run_page(mlflow_url: str, run_id: str) -> str:
    """A run's page in MLflow's own pages."""
    return f"{mlflow_url.rstrip('/')}/#/runs/{run_id}"


def _files(log: FitLog | DayLog | BacktestLog | SearchLog) -> dict[str, bytes]:
    pictures = {} if isinstance(log, SearchLog) else log.pictures
    return {name: text.encode() for name, text in log.texts.items()} | pictures


def _failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What MLflow's client raises when MLflow is away, locked, read-only, full or broken, and `more`."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError, OSError, *more


@contextmanager
def _quiet() -> Iterator[None]:
    """No hints, links and tracebacks of MLflow on the user's terminal: what failed is in `reason`."""
    unread = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(unread), redirect_stderr(unread):
        warnings.simplefilter("ignore")
        yield
