"""The trained model that comes with the project."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_cabvit.data import evaluation_pixels
from keras_cabvit.runtimes.opened_model import open_model
from training.data.fashion_mnist import CLASS_NAMES, fashion_mnist_subset

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "saved_models" / "fashion_mnist_cabvith_t"


@pytest.fixture(scope="module")
def top1():
    """The top-1 on the 10,000 test images, according to its scores.json."""
    return json.loads((SHIPPED / "scores.json").read_text())["top1"]


def test_it_classifies_as_well_as_its_scores_say(top1):
    model = open_model(SHIPPED)
    _, test = fashion_mnist_subset()  # 1,000 of the 10,000
    pixels = evaluation_pixels(test.images, model.image_size)
    batches = np.split(np.asarray(pixels), 10)
    found = np.concatenate([model.predict(batch).argmax(axis=1) for batch in batches])

    assert model.class_names == CLASS_NAMES
    assert np.mean(found == test.labels) == pytest.approx(
        top1, abs=3 * np.sqrt(top1 * (1 - top1) / 1000)
    )


def test_readme_and_card_give_its_score(top1):
    for text in (ROOT / "README.md", SHIPPED / "README.md"):
        assert f"{100 * top1:.2f} %" in text.read_text().replace("&nbsp;", " ")


def test_it_is_small():
    assert (SHIPPED / "model.keras").stat().st_size <= 14e6
    assert sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file()) <= 16e6
