"""Calibration images from every source, and errors for unsuitable ones."""

import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from huge_image import HALF_DECODED_BYTES, huge_png, peak_growth

from keras_cabvit.export import to_tflite
from keras_cabvit.export.tflite.calibration import calibration_images
from keras_cabvit.runtimes import load_tflite

SHAPE = (64, 64, 3)
IMAGES = tiny_models.patterned_images(SHAPE, 20)


@pytest.fixture(scope="module")
def model():
    return tiny_models.pattern_classifier()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with 20 image files in one folder per class."""
    root = tmp_path_factory.mktemp("images")
    for number, pixels in enumerate(tiny_models.patterned_images(SHAPE, 20)):
        path = root / f"class_{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        keras.utils.save_img(path, pixels, scale=False)
    return root


def export(model, tmp_path, data):
    """Returns the scores of a calibrated file, which depend on the ranges."""
    path = to_tflite(
        model,
        tmp_path / "model.tflite",
        quantization="int8-static",
        calibration=data,
        crop=1.0,
    )
    return load_tflite(path)(IMAGES[:4])


@pytest.mark.slow
def test_folder_dataset_and_array_of_the_same_images_make_the_same_file(model, tmp_path, folder):
    files = sorted(folder.rglob("*.png"))
    array = np.stack([np.asarray(keras.utils.load_img(file)) for file in files])
    labelled = tf.data.Dataset.from_tensor_slices((array, np.zeros(20))).batch(8)

    expected = export(model, tmp_path, array.astype("uint8"))
    for data in (folder, labelled):
        np.testing.assert_array_equal(export(model, tmp_path, data), expected)
    assert np.any(export(model, tmp_path, array // 4) != expected)  # the ranges matter
    # Unlike a moving average, a minimum and a maximum do not depend on the order.
    np.testing.assert_array_equal(export(model, tmp_path, array[::-1]), expected)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (IMAGES[:2], "At least 16 calibration images are needed.* Received: 2"),
        (np.full((20, *SHAPE), 128, "uint8"), "20 of 20 calibration images are of one colour"),
        (np.stack([IMAGES[0]] * 20), "are all the same"),
        (IMAGES / 255, "multiply them by 255"),
        (IMAGES - 200.0, r"pixels in \[0, 255\]"),
        (np.where(IMAGES > 9, np.nan, IMAGES), r"pixels in \[0, 255\]"),
        (IMAGES[:, :32], r"shape \(count, 64, 64, 3\)"),
        (np.zeros((0, *SHAPE)), "At least 16 calibration images"),
        (tf.data.Dataset.from_tensor_slices(IMAGES[:0]), "calibration images"),
    ],
    ids=range(9),
)
def test_unsuitable_images_are_refused(model, tmp_path, data, sentence):
    with pytest.raises(ValueError, match=sentence):
        export(model, tmp_path, data)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_gives_a_clear_error(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder of images"):
        export(model, tmp_path, tmp_path / "missing")


def test_many_files_that_are_not_images_are_refused(model, tmp_path, folder):
    broken = tmp_path / "calibration"
    broken.mkdir()
    for file in folder.rglob("*.png"):
        (broken / file.name).write_bytes(file.read_bytes())
    for number in (7, 8, 9):
        (broken / f"{number}.png").write_text("a text")

    with pytest.raises(ValueError, match=r"3 of 20 images cannot be read.*7\.png"):
        export(model, tmp_path, broken)


def test_few_unreadable_files_are_left_out_and_named(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "images")
    (tmp_path / "images" / "class_1" / "7.png").write_bytes(b"")
    (tmp_path / "images" / "class_1" / "._9.png").write_bytes(b"")

    with pytest.warns(UserWarning, match="Calibration: ") as warned:
        images = calibration_images(tmp_path / "images", SHAPE, 1.0)
    assert len(images) == 19
    sentences = [str(warning.message) for warning in warned]
    assert re.search(r"hidden files \(class_1/\._9\.png\)", sentences[0])
    assert re.search(r"1 of 20 images cannot be read.*class_1/7\.png", sentences[1])


def test_training_images_are_taken_and_links_followed(tmp_path, folder):
    (tmp_path / "images" / "train").mkdir(parents=True)
    for name in ("class_0", "class_1"):
        (tmp_path / "images" / "train" / name).symlink_to(folder / name)
    test = tmp_path / "images" / "test" / "class_0"
    test.mkdir(parents=True)
    shutil.copy(folder / "class_0" / "0.png", test)

    with pytest.warns(UserWarning, match=r"The images are those in .*train\."):
        images = calibration_images(tmp_path / "images", SHAPE, 1.0)
    np.testing.assert_array_equal(images, calibration_images(folder, SHAPE, 1.0))


def test_huge_image_is_named_and_not_decoded(model, tmp_path, folder):
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "huge.png").write_bytes(huge_png())

    def refused():
        with pytest.raises(ValueError, match=r"huge\.png: .*12000x12000 pixels, and at most"):
            export(model, tmp_path, tmp_path / "calibration")

    refused()
    assert peak_growth(refused) < HALF_DECODED_BYTES


def test_endless_data_set_gives_a_clear_error(tmp_path):
    images = tf.data.Dataset.from_tensor_slices(tiny_models.patterned_images((64, 64, 3), 4))
    model = tiny_models.pattern_classifier()

    with pytest.raises(ValueError, match=r"data set that ends: leave out its `repeat\(\)`"):
        to_tflite(
            model, tmp_path / "m.tflite", quantization="int8-static", calibration=images.repeat()
        )
