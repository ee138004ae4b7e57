"""Scores, settings and reports in MLflow."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.data.labels import LABELS
from keras_cabvit.first_line import first_line
from keras_cabvit.runtimes.run_record import read_run
from keras_cabvit.url_credentials import without_credentials
from training.recipes.dotted import leaves
from training.run.callbacks.history import History
from training.run.metrics_csv import read_metrics_csv

_EXPERIMENT = "cabvit"
_FINISHED = "FINISHED"
_IDENTITY, _METRICS = "mlflow.json", "metrics.csv"
_RESUMES = "The same command resumes from the last checkpoint."
_SQLITE = "sqlite:///"
# MLflow refuses longer values.
_LONGEST = 6000


class MLflowLogger:
    """Records a run in MLflow: settings as parameters, scores by epoch, the report as artifacts.

    The identity of MLflow's run is kept in mlflow.json in the run's folder, so that a resumed run
    continues it. Scores are taken from the history's rows: none is missing or written twice,
    however often the run is killed. A user name and password in the URI are written nowhere.

    Args:
        folder: path of the run's folder.
        uri: string, MLflow's tracking URI, such as "sqlite:///runs.db"; None takes MLflow's own
            setting. With SQLite, artifacts are stored beside the file, in `mlartifacts`.

    Raises:
        ImportError: MLflow is not installed.
        ValueError: the URI cannot be opened.
    """

    def __init__(self, folder: Path, uri: str | None):
        # Training sends nothing to anybody unless its user says so.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            import mlflow
        except ImportError as error:
            raise ImportError(
                "`log` mlflow needs MLflow, which is not installed: pip install "
                f'"keras-cabvit[mlflow]" ({error})'
            ) from error
        self.folder = folder
        self.uri = uri or mlflow.get_tracking_uri()
        self._run_id = ""
        with self._clear_errors(self._then()):
            self._client = mlflow.MlflowClient(self.uri)
            self._experiment = self._client.get_experiment_by_name(_EXPERIMENT)

    def callback(self, history: History, record: dict) -> keras.callbacks.Callback:
        """Returns a callback that writes the rows of the history that MLflow does not have yet."""
        self._begin(record, _RESUMES)
        return _Rows(self, history)

    def forget(self) -> None:
        """Has the next training in the folder begin a run of its own in MLflow."""
        (self.folder / _IDENTITY).unlink(missing_ok=True)

    def finish(self, record: dict) -> None:
        """Writes the final scores and the report, and ends MLflow's run, unless it has ended.

        The scores of epochs that were trained without MLflow are written too.
        """
        then = self._then()
        if not self._run_id:
            with self._clear_errors(then):
                known = self._known_run()
                if known is not None and self._client.get_run(known).info.status == _FINISHED:
                    return
            self._begin(record, then)
        with self._clear_errors(then):
            if (self.folder / _METRICS).is_file():
                self._write(read_metrics_csv(self.folder / _METRICS))
            for name, value in (record.get("scores") or {}).items():
                if isinstance(value, (int, float)):
                    self._client.log_metric(self._run_id, f"final_{name}", value)
            files = [self.folder / name for name in ("report.md", "run.json", LABELS)]
            linked = (path for kind in ("*.csv", "*.png") for path in self.folder.glob(kind))
            for file in [*files, *sorted(linked)]:
                if file.is_file():
                    self._client.log_artifact(self._run_id, str(file))
            self._client.set_terminated(self._run_id, _FINISHED)

    def write(self, rows: list[dict]) -> None:
        """Writes the rows of epochs that MLflow does not have yet."""
        with self._clear_errors():
            self._write(rows)

    def _write(self, rows: list[dict]) -> None:
        from mlflow.entities import Metric

        known = self._client.get_metric_history(self._run_id, "loss")
        written = {metric.step for metric in known}
        now = int(1000 * time.time())
        for row in rows:
            if row["epoch"] not in written:
                metrics = [
                    Metric(name, float(value), now, row["epoch"])
                    for name, value in row.items()
                    if name not in ("epoch", "step")
                ]
                self._client.log_batch(self._run_id, metrics=metrics)

    def _begin(self, record: dict, then: str) -> None:
        """Begins a run of MLflow, or continues the one of this folder.

        Args:
            record: dict, the run.json of the run.
            then: string, the end of an error's message, as `_then` gives it.
        """
        with self._clear_errors(then):
            known = self._known_run()
            if known is not None:
                self._run_id = known
                self._client.update_run(known, status="RUNNING")
                return
            self._create(record)
        # Not among MLflow's errors: this file is the folder's.
        identities = {"uri": without_credentials(self.uri), "run_id": self._run_id}
        text = json.dumps(identities, indent=2)
        write_text_atomically(self.folder / _IDENTITY, text + "\n")

    def _create(self, record: dict) -> None:
        """Creates a run of MLflow, and the experiment if there is none yet."""
        from mlflow.entities import Param

        if self._experiment is None:
            self._experiment = self._created_experiment()
        if self._experiment.lifecycle_stage != "active":
            raise ValueError(
                f"The experiment {_EXPERIMENT!r} was deleted there; "
                f"`mlflow experiments restore -x {self._experiment.experiment_id}` restores it"
            )
        run = self._client.create_run(self._experiment.experiment_id, run_name=self.folder.name)
        self._run_id = run.info.run_id
        settings = {name: record.get(name) for name in ("recipe", "data", "seed", "split_seed")}
        params = [
            Param(name, str(value)[:_LONGEST])
            for name, value in leaves(settings)
            if value is not None
        ]
        self._client.log_batch(self._run_id, params=params)
        self._client.set_tag(self._run_id, "folder", str(self.folder.resolve()))

    def _created_experiment(self) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            identity = self._client.create_experiment(_EXPERIMENT, self._artifacts())
        except MlflowException:
            # Another run may have created it since this one has looked.
            found = self._client.get_experiment_by_name(_EXPERIMENT)
            if found is None:
                raise
            return found
        return self._client.get_experiment(identity)

    def _known_run(self) -> str | None:
        """Returns the identity of the folder's run at this URI, if there is one."""
        from mlflow.exceptions import MlflowException

        file = self.folder / _IDENTITY
        if not file.is_file():
            return None
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            if known["uri"] != without_credentials(self.uri):
                return None
            run = self._client.get_run(known["run_id"])
        except (ValueError, KeyError, TypeError, MlflowException):
            return None  # damaged, or removed from MLflow for good: begin another one
        # MLflow keeps a deleted run, but shows it nowhere.
        return run.info.run_id if run.info.lifecycle_stage == "active" else None

    def _artifacts(self) -> str | None:
        if not self.uri.startswith(_SQLITE):
            return None
        database = Path(self.uri.removeprefix(_SQLITE)).resolve()
        return (database.parent / "mlartifacts").as_uri()

    def _then(self) -> str:
        """Returns a sentence on what the same command does, once MLflow can be reached."""
        if not (read_run(self.folder) or {}).get("finished"):
            return _RESUMES
        return (
            f"The run is finished, and its report is in {self.folder}: the same command writes "
            "into MLflow what is missing there."
        )

    @contextlib.contextmanager
    def _clear_errors(self, then: str = _RESUMES) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of MLflow, SQLAlchemy or a server's client
            uri = without_credentials(self.uri)
            reason = first_line(error, without_credentials(str(error), self.uri))
            raise ValueError(
                f"MLflow cannot record the run at {uri}: {reason}. Give a tracking URI such as "
                f"--log mlflow:sqlite:///runs.db, or leave MLflow out of --log. {then}"
            ) from error


class _Rows(keras.callbacks.Callback):
    """Hands the rows of the history to MLflow after every epoch."""

    def __init__(self, logger: MLflowLogger, history: History):
        super().__init__()
        self.logger = logger
        self.history = history

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Writes the rows of a run that was stopped before they were written."""
        self.logger.write(self.history.rows)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the row of the epoch."""
        self.logger.write(self.history.rows)
