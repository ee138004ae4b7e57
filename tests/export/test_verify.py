"""What `verify` and `cabvit verify` say of an export, good or bad."""

import json

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.cli import main
from keras_cabvit.export import saved_model, tflite, verify
from keras_cabvit.export.verify import signal_to_noise


@pytest.fixture(scope="module")
def folder(trained_hybrid, tmp_path_factory):
    """A folder with the model, its exports, and images in a folder for each class."""
    root = tmp_path_factory.mktemp("verify")
    trained_hybrid.save(root / "model.keras")
    tflite(trained_hybrid, root / "int8.tflite")
    saved_model(trained_hybrid, root / "served", batch_sizes=())
    for number, pixels in enumerate(tiny_models.patterned_images((64, 64, 3), 20, seed=4)):
        path = root / "images" / f"class_{number % 5}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, pixels, scale=False)
    return root


IMAGES = tiny_models.patterned_images((64, 64, 3), 20, seed=4)


def test_signal_to_noise_is_in_decibels():
    assert signal_to_noise([[3.0, -4.0]], [[3.3, -3.6]]) == pytest.approx(20)
    assert signal_to_noise([[1.0]], [[1.0]]) == float("inf")


@pytest.mark.parametrize(("export", "delegated"), [("int8.tflite", True), ("served/1", False)])
def test_good_export_agrees(folder, export, delegated):
    found = verify(folder / export, folder / "model.keras", IMAGES, np.arange(20) % 5, rounds=3)

    assert (found.images, found.agreement, found.accuracy, found.model_accuracy) == (20, 1, 1, 1)
    assert found.scores == "probabilities"
    assert found.signal_to_noise > 30
    assert found.latency > 0
    assert found.model_latency > 0
    assert found.size > 1e5
    assert (found.delegation is not None) == delegated


def test_what_another_model_gives_is_noise(folder, tmp_path):
    other = tiny_models.filled(tiny_models.hybrid())
    other.save(tmp_path / "other.keras")
    found = verify(folder / "int8.tflite", tmp_path / "other.keras", IMAGES, rounds=1)

    assert found.agreement < 0.7
    assert found.signal_to_noise < 10
    assert found.accuracy is None


def command(folder, *further):
    fixed = ["verify", folder / "int8.tflite", "--against", folder / "model.keras"]
    return [str(word) for word in (*fixed, *further)]


def test_command_prints_a_comparison(folder, capsys):
    status = main(command(folder, "--data", folder / "images", "--crop", 1, "--rounds", 2))
    printed = capsys.readouterr().out

    assert status == 0
    assert "top-1                 100.00 %  100.00 %" in printed
    assert "Of 20 images, 100.00 % are in the same class." in printed
    assert "in 1 piece; left to slower kernels: nothing." in printed


def test_command_fails_below_its_thresholds_and_says_why(folder, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=np.arange(20) % 5)
    options = ["--min-decibels", 300, "--max-latency", 1e-9, "--min-agreement", 99, "--max-drop", 1]
    status = main(
        command(folder, "--data", tmp_path / "data.npz", "--rounds", 1, "--json", *options)
    )
    printed = capsys.readouterr()

    assert status == 1
    failures = json.loads(printed.out)["failures"]
    assert printed.err.splitlines() == failures
    assert [("at least 300 dB" in failures[0]), ("at most 1e-09" in failures[1])] == [True, True]
    assert len(failures) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data", "images/class_0", "--max-drop", 1], "needs the classes of the images"),
        (["--data", "missing"], "no folder of images"),
        (["--data", "served"], "There are no images in"),
        (["--data", "fewer"], "a folder for each of the 5 classes"),
    ],
    ids=range(4),
)
def test_command_refuses_with_a_sentence(folder, capsys, monkeypatch, options, sentence):
    monkeypatch.chdir(folder)
    (folder / "fewer" / "one").mkdir(parents=True, exist_ok=True)
    image = next((folder / "images").rglob("*.png"))
    (folder / "fewer" / "one" / "image.png").write_bytes(image.read_bytes())

    assert main(command(folder, *options)) == 1
    assert sentence in capsys.readouterr().err


def test_export_of_another_shape_is_refused(folder, tmp_path):
    tiny_models.hybrid(classes=6).save(tmp_path / "six.keras")

    with pytest.raises(ValueError, match=r"was not made from .*classes: 5, the other 6"):
        verify(folder / "int8.tflite", tmp_path / "six.keras", IMAGES)
