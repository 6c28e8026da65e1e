"""How a spooled fit, day or backtest becomes a run. The only importer of MLflow, inside functions: the import costs a second."""

import math
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightdesk.errors import OutOfSync
from nightdesk.tracking.spool import artifacts_of, load_frame, model_of
from nightdesk.tracking.views import missing, saved_views

if TYPE_CHECKING:
    from mlflow.entities import Run

KEY_TAG = "nightdesk.key"
TRIAL_TAG = "nightdesk.trial"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
"""A description, of a run or of an experiment."""
LABEL = "label"
REQUIREMENTS = ("scikit-learn", "skops", "pandas", "numpy", "mlflow")
MOST_PARAMS, MOST_METRICS = 100, 500
"""MLflow takes at most 100 params and 1,000 metrics at once."""
Record = dict[str, Any]


class Runs:
    """The runs of one MLflow. Its experiments are created here alone: on SQLite with their files under `artifacts`, on a
    server where the server keeps its own."""

    def __init__(self, uri: str, artifacts: Path, load_model: Callable[[Path, str], Any], trusted_types: Sequence[str]) -> None:
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self._client = mlflow.MlflowClient(uri, uri)
        self._client.search_experiments(max_results=1)  # is it MLflow?
        self._artifacts = artifacts if uri.startswith("sqlite:") else None
        self._load_model = load_model
        self._trusted_types = list(trusted_types)

    def save_fit(self, record: Record, folder: Path) -> str:
        """Make the fit's run, or finish the one that a crash left behind."""
        import mlflow
        from mlflow.data.code_dataset_source import CodeDatasetSource

        experiment = self._experiment_id(record["experiment"])
        self._describe(experiment, record.get("experiment_note", ""))
        run = self._run_of(record["key"]) or self._client.create_run(
            experiment,
            run_name=record["run_name"],
            tags=record["tags"] | {KEY_TAG: record["key"], NOTE_TAG: record.get("note", "")},
        )
        run_id = str(run.info.run_id)
        if run.info.status == "FINISHED":
            return run_id
        source = CodeDatasetSource({"nightdesk.source": record["dataset_source"]})
        dataset = mlflow.data.from_pandas(  # type: ignore[attr-defined]  # made at import
            load_frame(folder, "dataset"), source=source, targets=LABEL, name=record["dataset_name"]
        )
        with mlflow.start_run(run_id=run_id):
            mlflow.log_params(record["params"])
            mlflow.log_input(dataset, context="training")
            self._client.log_artifacts(run_id, str(artifacts_of(folder)))
            self._log_pictures(run_id, artifacts_of(folder))
            model_id = self._registered(record, folder, run_id)
            mlflow.log_metrics(record["metrics"], dataset=dataset, model_id=model_id)
        return run_id

    def save_day(self, record: Record, folder: Path) -> str:
        """Add a day's points to its fit's run; points that are there already are not added twice."""
        import mlflow

        run_id, step = str(record["run_id"]), record["step"]
        if not run_id:
            run = self._run_of(record["fit_key"])
            if run is None:
                raise OutOfSync(f"The fit {record['fit_key']} is not in MLflow.", fit_key=record["fit_key"])
            run_id = str(run.info.run_id)
        points = {
            name: value
            for name, value in record["metrics"].items()
            if not any(old.step == step and _same(old.value, value) for old in self._client.get_metric_history(run_id, name))
        }
        mlflow.log_metrics(points, step=step, run_id=run_id)
        for name, value in record["tags"].items():
            self._client.set_tag(run_id, name, value)
        self._client.log_artifacts(run_id, str(artifacts_of(folder)))
        return run_id

    def save_backtest(self, record: Record, folder: Path) -> str:
        """Make the backtest's run, or finish the one that a crash left behind."""
        from mlflow.entities import Metric, Param

        run = self._run_of(record["key"]) or self._client.create_run(
            self._experiment_id(record["experiment"]),
            run_name=record["run_name"],
            tags=record["tags"] | {KEY_TAG: record["key"]},
        )
        run_id, at = str(run.info.run_id), int(run.info.start_time)
        if run.info.status == "FINISHED":
            return run_id
        params = [Param(name, value) for name, value in record["params"].items()]
        metrics = [Metric(name, value, at, 0) for name, value in record["metrics"].items()]
        metrics += [
            Metric(name, value, at, step) for name, values in record["steps"].items() for step, value in enumerate(values)
        ]
        for first in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(run_id, params=params[first : first + MOST_PARAMS])
        for first in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(run_id, metrics=metrics[first : first + MOST_METRICS])
        self._client.log_artifacts(run_id, str(artifacts_of(folder)))
        self._client.set_terminated(run_id)
        return run_id

    def save_search(self, record: Record, folder: Path) -> str:
        """Make or renew the run of a search, with a child run for each trial that it does not have yet."""
        from mlflow.entities import Metric, Param

        experiment = self._experiment_id(record["experiment"])
        run = self._run_of(record["key"]) or self._client.create_run(
            experiment, run_name=record["run_name"], tags=record["tags"] | {KEY_TAG: record["key"]}
        )
        run_id = str(run.info.run_id)
        known = self._trials_of(experiment, run_id)
        for trial in record["trials"]:
            if trial["number"] in known:
                continue
            tags = {**trial["tags"], PARENT_TAG: run_id, TRIAL_TAG: str(trial["number"])}
            child = self._client.create_run(experiment, run_name=f"trial {trial['number']}", tags=tags).info.run_id
            metrics = [Metric(name, value, 0, 0) for name, value in trial["metrics"].items() if not math.isnan(value)]
            folds = [Metric("fold_score", value, 0, n) for n, value in enumerate(trial["fold_scores"]) if not math.isnan(value)]
            params = [Param(name, value) for name, value in trial["params"].items()]
            self._client.log_batch(child, metrics=[*metrics, *folds], params=params)
            self._client.set_terminated(child)
        params = [Param(name, value) for name, value in record["params"].items()]
        numbers = [Metric(name, value, 0, len(record["trials"])) for name, value in record["metrics"].items()]
        self._client.log_batch(run_id, metrics=[one for one in numbers if not math.isnan(one.value)], params=params)
        for name, value in record["tags"].items():
            self._client.set_tag(run_id, name, value)
        self._client.log_artifacts(run_id, str(artifacts_of(folder)))
        self._client.set_terminated(run_id)
        return run_id

    def run_of_alias(self, name: str, alias: str) -> str:
        """The run whose model an alias of a registered model is on, "" where there is no such model or alias."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(name, alias).run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return ""
            raise

    def _trials_of(self, experiment: str, parent: str) -> set[int]:
        """The numbers of a search's trials that are whole here."""
        found, page = set[int](), None
        while True:
            rows = self._client.search_runs(
                [experiment],
                f"tags.`{PARENT_TAG}` = '{parent}' and attributes.status = 'FINISHED'",
                max_results=1000,
                page_token=page,
            )
            found |= {int(row.data.tags[TRIAL_TAG]) for row in rows}
            page = rows.token
            if not page:
                return found

    def _registered(self, record: Record, folder: Path, run_id: str) -> str:
        """Log the model, make it a version and set its alias. Returns MLflow's id of the model."""
        import mlflow

        name = record["registered_model"]
        versions = self._client.search_model_versions(f"run_id = '{run_id}'")
        made = versions[0] if versions else mlflow.register_model(self._logged_model(record, folder), name, 0)
        self._client.update_model_version(name, made.version, record.get("note", ""))
        if record["alias"]:
            self._client.set_registered_model_alias(name, record["alias"], made.version)
        return str(made.source).removeprefix("models:/")

    def _logged_model(self, record: Record, folder: Path) -> str:
        """Log a spooled fit's model to the active run. Returns its URI."""
        import mlflow.sklearn
        from mlflow.models import infer_signature

        estimator = self._load_model(model_of(folder), record["model_file_sha256"])
        example = load_frame(folder, "example")
        logged = mlflow.sklearn.log_model(
            estimator,
            name="model",
            signature=infer_signature(example, estimator.predict(example)),
            input_example=example,
            skops_trusted_types=self._trusted_types,
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
        return str(logged.model_uri)

    def _describe(self, experiment: str, note: str) -> None:
        """The experiment's description and saved views, where it has none."""
        found = self._client.get_experiment(experiment)
        for name, value in missing({NOTE_TAG: note, **saved_views(found.creation_time or 0)}, list(found.tags)).items():
            self._client.set_experiment_tag(experiment, name, value)

    def _log_pictures(self, run_id: str, folder: Path) -> None:
        """The pictures as images too, which MLflow shows side by side where runs are compared."""
        from PIL import Image

        if self._client.list_artifacts(run_id, "images"):
            return
        for path in sorted(folder.glob("*.png")):
            with Image.open(path) as picture:
                self._client.log_image(run_id, picture, key=path.stem, step=0, synchronous=True)

    def _run_of(self, key: str) -> "Run | None":
        """The run of a fit's key, in whichever experiment."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        found = self._client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
        return found[0] if found else None

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = (self._artifacts / name).as_uri() if self._artifacts else None
            return self._client.create_experiment(name, artifact_location=location)
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))
