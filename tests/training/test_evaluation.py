import time

import numpy as np
import pytest

from training.curves import draw_curves
from training.evaluation import FormScore, score_forms, score_table, size_on_disk

IMAGES = np.arange(250, dtype=np.uint8).reshape(250, 1, 1, 1)
LABELS = IMAGES[:, 0, 0, 0] % 4


def right_for(share):
    """Returns a model that is right for the first images, and wrong for the others."""

    def predict(images):
        values = images[:, 0, 0, 0].astype(int)
        right = values < share * len(IMAGES)
        return np.eye(5)[np.where(right, values % 4, 4)]

    return predict


def test_top1_is_the_share_of_images_that_are_right(tmp_path):
    forms = {"good": (tmp_path, right_for(0.8)), "bad": (tmp_path, right_for(0.2))}
    good, bad = score_forms(forms, IMAGES, LABELS)

    assert (good.form, good.top1) == ("good", 0.8)
    assert (bad.form, bad.top1) == ("bad", 0.2)


def test_latency_is_that_of_one_image(tmp_path):
    def slow(images):
        time.sleep(0.02 * len(images))
        return np.zeros((len(images), 5))

    forms = {"slow": (tmp_path, slow), "quick": (tmp_path, right_for(1))}
    slow_score, quick_score = score_forms(forms, IMAGES[:10], LABELS[:10], latency_rounds=3)

    assert slow_score.latency >= 0.02
    assert quick_score.latency < slow_score.latency


def test_size_is_that_of_a_file_or_of_all_files_in_a_folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "inner" / "b").write_bytes(b"12345")

    assert size_on_disk(tmp_path / "a") == 3
    assert size_on_disk(tmp_path) == 8


def test_table_is_markdown_with_a_row_for_each_form():
    table = score_table([FormScore("TFLite, int8", 0.8715, 863_000, 0.00213)])

    assert table.splitlines() == [
        "| form         |  top-1 |    size | latency, one image |",
        "| ------------ | -----: | ------: | -----------------: |",
        "| TFLite, int8 | 87.2 % | 0.86 MB |            2.13 ms |",
    ]


@pytest.mark.parametrize("epochs", [1, 12])
def test_curves_are_a_png(tmp_path, epochs):
    history = {
        key: np.linspace(0.9, 0.1, epochs)
        for key in ("loss", "accuracy", "val_loss", "val_accuracy")
    }
    draw_curves(history, tmp_path / "curves.png")

    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
