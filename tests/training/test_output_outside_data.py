"""No command writes into the folder of images that it reads."""

import pytest

from training.__main__ import main
from training.evaluate import evaluate
from training.publish import publish


@pytest.mark.parametrize("place", ["report", "bright"])
def test_report_inside_the_data_is_refused(finished_run, folder, place):
    before = sorted(folder.rglob("*"))

    for data in (None, f"folder:{folder}"):
        with pytest.raises(ValueError, match="--out must lie outside the data"):
            evaluate(finished_run, data, out=folder / place)
    assert sorted(folder.rglob("*")) == before


def test_published_model_inside_the_data_is_refused(finished_run, folder):
    with pytest.raises(ValueError, match="--out must lie outside the data"):
        publish(finished_run, folder / "published")
    assert not (folder / "published").exists()


def test_batch_inside_the_data_is_refused(folder, capsys):
    arguments = ["--data", f"folder:{folder}", "--out", str(folder / "dark" / "batch.png")]

    assert main(["show-batch", "--recipe", "fashion_mnist", *arguments]) == 1
    assert "--out must lie outside the data" in capsys.readouterr().err
    assert not (folder / "dark" / "batch.png").exists()
