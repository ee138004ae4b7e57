"""A model that Keras quantised to int8, in every program that reads it."""

import warnings

import keras
import numpy as np
import pytest
import tiny_models
from PIL import Image

from keras_cabvit.export import to_tflite
from keras_cabvit.inference import fuse
from keras_cabvit.runtimes import open_model, predict_files, verify
from training.__main__ import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("png_files")]

COUNT = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `model.keras`, `labels.txt`, and `images` in folders of two classes."""
    folder = tmp_path_factory.mktemp("int8")
    model = tiny_models.filled(tiny_models.plain(depth=1))
    images = np.random.default_rng(2).integers(0, 256, (COUNT, *model.input_shape[1:]), np.uint8)
    unquantised = model.predict_on_batch(images)
    with warnings.catch_warnings(action="ignore"):  # about layers that cannot be quantised
        model.quantize("int8")
    expected = model.predict_on_batch(images)
    assert np.abs(expected - unquantised).max() > 1e-4
    model.save(folder / "model.keras")
    np.save(folder / "images.npy", images)
    np.save(folder / "expected.npy", expected)
    names = [f"class_{number}" for number in range(expected.shape[1])]
    (folder / "labels.txt").write_text("\n".join(names) + "\n")
    for number, image in enumerate(images):
        path = folder / "images" / names[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture(scope="module")
def images(folder):
    return np.load(folder / "images.npy")


@pytest.fixture(scope="module")
def expected(folder):
    """The probabilities of the model in memory, before it was saved."""
    return np.load(folder / "expected.npy")


def test_opened_model_gives_the_probabilities_of_the_model_in_memory(folder, images, expected):
    opened = open_model(folder / "model.keras")
    np.testing.assert_allclose(opened.predict(images), expected, atol=1e-6)


def test_files_get_the_probabilities_of_the_model_in_memory(folder, expected):
    files = sorted(folder.glob("images/*/*.png"), key=lambda path: int(path.stem))
    found = predict_files(folder / "model.keras", files, top=1, crop=1.0, batch_size=4)
    np.testing.assert_allclose(
        [each.probabilities[0] for each in found], expected.max(axis=1), atol=1e-6
    )


def test_evaluation_scores_the_probabilities_of_the_model_in_memory(folder, expected, tmp_path):
    file = tmp_path / "predictions.csv"
    data = ["--data", f"folder:{folder / 'images'}", "--split", "all", "--crop", "1"]
    assert main(["evaluate", str(folder / "model.keras"), *data, "--predictions", str(file)]) == 0

    rows = [line.split(",") for line in file.read_text().splitlines()[1:]]
    assert len(rows) == COUNT
    for name, *_, a, b, c, d, e in rows:
        number = int(name.split("/")[1].removesuffix(".png"))
        np.testing.assert_allclose([*map(float, (a, b, c, d, e))], expected[number], atol=1e-5)


def test_export_has_the_weights_of_the_quantised_model(folder, images, tmp_path):
    model = keras.saving.load_model(folder / "model.keras")
    to_tflite(model, tmp_path / "model.tflite", quantization="none")
    same = verify(tmp_path / "model.tflite", folder / "model.keras", images, rounds=1)
    fuse(model).save(tmp_path / "model.keras")
    exact = verify(tmp_path / "model.tflite", tmp_path / "model.keras", images, rounds=1)

    # The quantised model also rounds the inputs of its layers.
    assert 10 < same.signal_to_noise < 60 < exact.signal_to_noise
