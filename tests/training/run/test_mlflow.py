"""Runs recorded in MLflow, in a file of SQLite."""

import json
from pathlib import Path

import pytest
import requests

from training.run.callbacks import History
from training.run.loggers import open_loggers

pytestmark = pytest.mark.slow  # importing MLflow takes seconds

RECORD = {
    "recipe": {"epochs": 3, "optimization": {"learning_rate": 0.002, "clip_norm": None}},
    "data": "elpv",
    "seed": 3,
    "scores": {"top1": 0.75, "model": "run"},
}


def rows(count):
    return [
        {"epoch": number, "step": 10 * number, "loss": 1 / number, "val_top1": number / 10}
        for number in range(1, count + 1)
    ]


def history(count):
    progress = {"history": rows(count), "seconds": 0.0, "images_per_second": 0.0}
    return History(None, 1, 10, progress)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """MLflow's client of a database, whose tables take seconds to make; and its URI."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'runs.db'}"
        yield mlflow.MlflowClient(uri), uri


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the files of a finished run."""
    folder = tmp_path / "run"
    folder.mkdir()
    files = ("report.md", "run.json", "metrics.csv", "labels.txt", "curves.png", "duplicates.csv")
    for name in files:
        (folder / name).write_text(name)
    (folder / "run.json").write_text('{"finished": "yes"}')
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_resumed_run_is_one_run_with_every_epoch_once(run, database):
    client, uri = database
    for epochs in (1, 3):  # killed after the first epoch, whose row came twice
        (logger,) = open_loggers([f"mlflow:{uri}"], run)
        callback = logger.callback(history(epochs), RECORD)
        callback.on_train_begin()
        callback.on_epoch_end(epochs - 1)
    logger.finish(RECORD)

    (experiment,) = [each for each in client.search_experiments() if each.name == "cabvit"]
    (found,) = client.search_runs([experiment.experiment_id])
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert [(each.step, each.value) for each in losses] == [(1, 1), (2, 1 / 2), (3, 1 / 3)]
    assert found.data.params == {
        "recipe.epochs": "3",
        "recipe.optimization.learning_rate": "0.002",
        "data": "elpv",
        "seed": "3",
    }
    assert found.data.metrics["final_top1"] == 0.75
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    artifacts = {each.path for each in client.list_artifacts(found.info.run_id)}
    assert {path.name for path in run.iterdir()} - {"mlflow.json"} == artifacts
    assert Path(uri.removeprefix("sqlite:///")).with_name("mlartifacts").is_dir()
    assert [path.name for path in run.parent.iterdir()] == ["run"]  # nothing in this folder


def test_finished_run_is_completed_once(run, database, monkeypatch):
    client, uri = database
    (run / "metrics.csv").write_text("epoch,step,loss\n1,10,0.5\n2,20,0.25\n")
    (logger,) = open_loggers([f"mlflow:{uri}"], run)
    with monkeypatch.context() as patch:
        patch.setattr(type(client), "log_artifact", lambda *_: 1 / 0)
        with pytest.raises(ValueError, match=r"run is finished, and its report is in .*same comm"):
            logger.finish(RECORD)
    for _ in range(2):
        (logger,) = open_loggers([f"mlflow:{uri}"], run)
        logger.finish(RECORD)

    found = client.get_run(json.loads((run / "mlflow.json").read_text())["run_id"])
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert [(each.step, each.value) for each in losses] == [(1, 0.5), (2, 0.25)]
    assert found.info.status == "FINISHED"
    assert len(client.list_artifacts(found.info.run_id)) == 6
    finals = client.get_metric_history(found.info.run_id, "final_top1")
    assert len(finals) == 2  # of the attempt that failed, and of the first that did not


def test_report_that_a_server_refuses_is_said_without_the_password(run, database, monkeypatch):
    client, uri = database
    (logger,) = open_loggers([f"mlflow:{uri}"], run)
    logger.uri = "http://ann:secret@host"
    reason = "413 Client Error: Request Entity Too Large for url: http://ann:secret@host/api"
    error = requests.HTTPError(reason)
    monkeypatch.setattr(type(client), "log_artifact", lambda *_: (_ for _ in ()).throw(error))

    with pytest.raises(ValueError, match=r"413 Client Error.*The run is finished, and its") as told:
        logger.finish(RECORD)
    assert "secret" not in str(told.value)


def test_experiment_that_another_run_has_just_created_is_taken(run, database):
    client, uri = database
    (logger,) = open_loggers([f"mlflow:{uri}"], run)
    logger._experiment = None  # as before the other run created it
    client.get_experiment_by_name("cabvit") or client.create_experiment("cabvit")
    logger.callback(history(1), RECORD)

    known = client.get_run(json.loads((run / "mlflow.json").read_text())["run_id"])
    assert client.get_experiment(known.info.experiment_id).name == "cabvit"


def test_training_that_begins_anew_is_a_run_of_its_own(run, database):
    client, uri = database
    known = []
    for epochs, anew in ((2, True), (1, True), (2, False)):
        (logger,) = open_loggers([f"mlflow:{uri}"], run)
        if anew:
            logger.forget()
        logger.callback(history(epochs), RECORD).on_train_begin()
        known.append(json.loads((run / "mlflow.json").read_text())["run_id"])

    assert known[0] != known[1] == known[2]
    assert len(client.get_metric_history(known[1], "loss")) == 2


def test_run_that_was_removed_from_mlflow_begins_anew(run, database):
    client, uri = database
    (run / "mlflow.json").write_text(json.dumps({"uri": uri, "run_id": "0" * 32}))
    (logger,) = open_loggers([f"mlflow:{uri}"], run)
    logger.callback(history(2), RECORD).on_train_begin()

    known = json.loads((run / "mlflow.json").read_text())["run_id"]
    assert len(client.get_metric_history(known, "val_top1")) == 2


def test_run_that_was_deleted_in_mlflow_begins_anew(run, database):
    client, uri = database
    (logger,) = open_loggers([f"mlflow:{uri}"], run)
    logger.callback(history(1), RECORD)
    deleted = json.loads((run / "mlflow.json").read_text())["run_id"]
    client.delete_run(deleted)
    logger.callback(history(2), RECORD).on_train_begin()

    known = json.loads((run / "mlflow.json").read_text())["run_id"]
    assert known != deleted
    assert client.get_run(known).info.lifecycle_stage == "active"


def test_deleted_experiment_is_named_with_the_command_that_restores_it(run, database):
    client, uri = database
    (logger,) = open_loggers([f"mlflow:{uri}"], run)
    logger.callback(history(1), RECORD)
    (experiment,) = [each for each in client.search_experiments() if each.name == "cabvit"]
    client.delete_experiment(experiment.experiment_id)
    try:
        (logger,) = open_loggers([f"mlflow:{uri}"], run)
        with pytest.raises(ValueError, match=f"experiments restore -x {experiment.experiment_id}"):
            logger.callback(history(1), RECORD)
    finally:
        client.restore_experiment(experiment.experiment_id)


def test_password_in_the_uri_is_written_nowhere_and_a_resumed_run_is_found(
    run, database, monkeypatch
):
    client, _ = database
    monkeypatch.setattr("mlflow.MlflowClient", lambda uri: client)
    known = set()
    for password in ("se/cret", "changed", "with a space", "at@sign and space"):
        (logger,) = open_loggers([f"mlflow:postgresql://ann:{password}@host/runs"], run)
        logger.callback(history(1), RECORD)
        text = (run / "mlflow.json").read_text()
        assert not any(word in text for word in ("ann", "cret", "changed", "space", "sign"))
        known.add(json.loads(text)["run_id"])
    assert len(known) == 1


def test_server_that_is_still_away_does_not_promise_to_resume_a_finished_run(run, database):
    with pytest.raises(ValueError, match="The run is finished, and its report is in"):
        open_loggers(["mlflow:nowhere://x"], run)
    (run / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="resumes from the last checkpoint"):
        open_loggers(["mlflow:nowhere://x"], run)


def test_unusable_store_gives_a_clear_error(run, database):
    with pytest.raises(ValueError, match=r"MLflow cannot record the run at nowhere://x: .*--log"):
        open_loggers(["mlflow:nowhere://x"], run)


@pytest.mark.parametrize("password", ["secret", "a secret", "a@secret word"])
def test_error_of_a_store_does_not_repeat_the_password(run, database, password):
    with pytest.raises(ValueError, match=r"nowhere://\*\*\*@x") as caught:
        open_loggers([f"mlflow:nowhere://ann:{password}@x"], run)
    assert "secret" not in str(caught.value)
