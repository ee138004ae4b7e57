"""Places for the scores of a run besides metrics.csv."""

import sys

import pytest

from training.run.loggers import open_loggers


def test_loggers_are_chosen_by_name_and_write_nothing_yet(tmp_path):
    (logger,) = open_loggers(["tensorboard", "tensorboard"], tmp_path)

    assert logger.folder == tmp_path / "tensorboard"
    assert open_loggers([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["wandb", "", "sqlite:///runs.db"])
def test_unknown_logger_gives_a_clear_error(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"`log` must be tensorboard, mlflow or mlflow:URI"
    ) as error:
        open_loggers([name], tmp_path)
    assert str(error.value).endswith(f"Received: log={name}")


@pytest.mark.parametrize("kind", ["postgresql", "mysql+pymysql", "tensorboard:http"])
def test_password_in_an_unknown_place_is_not_repeated(tmp_path, kind):
    with pytest.raises(ValueError, match=r"Received: log=.*://\*\*\*@host/runs"):
        open_loggers([f"{kind}://ann:my secret@host/runs"], tmp_path)


def test_place_of_tensorboard_is_fixed(tmp_path):
    with pytest.raises(ValueError, match="tensorboard takes no place: it writes"):
        open_loggers(["tensorboard:elsewhere"], tmp_path)


def test_missing_mlflow_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(ImportError, match=r'pip install "keras-cabvit\[mlflow\]"'):
        open_loggers(["mlflow"], tmp_path)
