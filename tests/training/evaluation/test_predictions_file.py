"""The predictions of a model as a CSV file."""

import csv

import numpy as np
import pytest

from training.__main__ import main

pytestmark = pytest.mark.usefixtures("png_files")


def test_every_image_has_a_row_with_all_probabilities(finished_run, tmp_path, capsys):
    file = tmp_path / "new" / "predictions.csv"
    assert main(["evaluate", str(finished_run), "--predictions", str(file)]) == 0
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))

    assert list(rows[0]) == ["file", "class", "predicted", "probability", "p(bright)", "p(dark)"]
    assert len(rows) == 10
    assert len({row["file"] for row in rows}) == 10
    for row in rows:
        assert row["file"].startswith(row["class"] + "/")
        both = {name: float(row[f"p({name})"]) for name in ("bright", "dark")}
        assert sum(both.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(both, key=both.get)
        assert float(row["probability"]) == max(both.values())
    right = np.mean([row["class"] == row["predicted"] for row in rows])
    assert f"{100 * right:.1f} %" in capsys.readouterr().out


def test_predictions_are_of_one_model(tmp_path, capsys):
    assert main(["evaluate", "--compare", "a", "b", "--predictions", str(tmp_path / "p.csv")]) == 1
    assert "--predictions is for one model" in capsys.readouterr().err
