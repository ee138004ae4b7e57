"""Predictions for image files: in order, as in evaluation, and none lost because of another."""

import contextlib
import dataclasses
import io
import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from huge_image import huge_png
from PIL import Image

from keras_cabvit.data import evaluation_image
from keras_cabvit.export import to_saved_model, to_tflite
from keras_cabvit.runtimes import open_model, open_pretrained, predict_files
from training.data.opening import open_data_set
from training.evaluation.predictions import Framing, predict_split

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "cat.jpg"
CROP = 0.875
GOOD = 9


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The classifier of patterns, opened, with names of its classes."""
    folder = tmp_path_factory.mktemp("run")
    tiny_models.pattern_classifier().save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(tiny_models.LABELS))
    return open_model(folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Paths of nine images of several formats and sizes."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number}.png" for number in range(GOOD - 1)]
    pixels = tiny_models.patterned_images((80, 72, 3), len(paths))
    for path, image in zip(paths, pixels, strict=True):
        path.write_bytes(tf.io.encode_png(image).numpy())
    return [*paths, Path(shutil.copy(PHOTOGRAPH, folder / "cat.jpg"))]


@pytest.fixture(scope="module")
def rows(model, images):
    """The predictions of all classes for `images`."""
    return list(predict_files(model, images))


def long_png():
    """Returns a PNG file of one row more than libpng reads, written by Pillow."""
    content = io.BytesIO()
    Image.new("L", (1, 1_000_001)).save(content, "PNG")
    return content.getvalue()


def broken_files(folder):
    """Returns a dict from the paths of files that are not images to a part of the reason."""
    photograph = PHOTOGRAPH.read_bytes()
    contents = {
        "empty.jpg": (b"", "The file is empty."),
        "text.jpg": (b"no image at all", "not a JPEG, PNG, WebP, GIF or BMP file"),
        "cut.jpg": (photograph[: len(photograph) // 2], "damaged or cut short"),
        "start.png": (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
        "huge.png": (huge_png(), "has 12000x12000 pixels, and at most 64 million"),
        "strip.png": (long_png(), "PNG files of more than 1,000,000 pixels a side"),
        "packed.bmp": (b"BM" + bytes(12) + bytes([40, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 1, 0, 8, 0])
            + bytes([1]) + bytes(60), "Run-length encoded BMP"),
    }  # fmt: skip
    found = {}
    for name, (content, reason) in contents.items():
        (folder / name).write_bytes(content)
        found[folder / name] = reason
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    with open(folder / "long.jpg", "wb") as file:
        file.truncate(600 * 10**6)
    return found | {
        folder / "absent.jpg": "There is no such file.",
        folder / "folder.jpg": "This is a folder, not a file.",
        folder / "pipe.jpg": "a pipe",
        folder / "long.jpg": "600 MB, more than an image of 64 million pixels can have",
        folder / "nu\0ll.jpg": "null byte",
    }


def expected_probabilities(model, paths):
    pixels = [evaluation_image(path.read_bytes(), (64, 64), CROP) for path in paths]
    return model.predict(np.stack(pixels))


def of_all_classes(rows):
    """Returns the probabilities of rows in the order of the classes, (rows, 5)."""
    return np.array(
        [
            [row.probabilities[place] for place in np.argsort(row.classes)]
            for row in rows
            if not row.error
        ],
        "float32",
    )


def test_rows_have_exactly_the_probabilities_of_the_model_in_order(model, images, rows):
    assert [row.path for row in rows] == images
    np.testing.assert_array_equal(of_all_classes(rows), expected_probabilities(model, images))
    for row in rows:
        assert list(row.probabilities) == sorted(row.probabilities, reverse=True)
        assert row.class_names == tuple(tiny_models.LABELS[number] for number in row.classes)
    assert [row.classes[0] for row in rows[:5]] == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_broken_files_are_explained_and_do_not_affect_the_others(model, images, tmp_path):
    broken = broken_files(tmp_path)
    # One between two images, several in a row at the end, and batches of them alone.
    mixed = [path for pair in zip(images, broken, strict=False) for path in pair]
    files = [*mixed, *list(broken)[len(images) :], *images, *broken]
    sizes = []

    def predict(pixels):
        sizes.append(len(pixels))
        return model.predict(pixels)

    rows = list(predict_files(model_with(model, predict), files, batch_size=4))

    assert [row.path for row in rows] == files
    for row in rows:
        assert broken.get(row.path, "") in row.error
        assert bool(row.error) == (row.path in broken) == (not row.classes)
    np.testing.assert_array_equal(
        of_all_classes(rows), np.tile(expected_probabilities(model, images), (2, 1))
    )
    # Other sizes would be compiled anew: only the last batch may have one.
    assert set(sizes[:-1]) == {4}


def model_with(model, predict):
    return dataclasses.replace(model, predict=predict)


@pytest.mark.slow
def test_every_form_gives_the_scores_of_its_model(images, rows, tmp_path):
    keras_model = tiny_models.pattern_classifier()
    to_saved_model(keras_model, tmp_path / "served", tiny_models.LABELS, batch_sizes=())
    to_tflite(keras_model, tmp_path / "a.tflite", "none", labels=tiny_models.LABELS)

    for path in (tmp_path / "served", tmp_path / "a.tflite"):
        found = list(predict_files(path, images))
        assert [row.class_names[0] for row in found] == [row.class_names[0] for row in rows]
        np.testing.assert_allclose(of_all_classes(found), of_all_classes(rows), atol=1e-5)


def test_scores_are_those_of_the_evaluation(model, images, rows, tmp_path):
    for part in ("train", "test"):
        for number, path in enumerate(images):
            folder = tmp_path / part / tiny_models.LABELS[number // 2]
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
    split = open_data_set(f"folder:{tmp_path}", to_train=False).test
    evaluated = predict_split(model.predict, split, Framing((64, 64), CROP))

    assert [Path(name).name for name in evaluated.names] == [path.name for path in images]
    np.testing.assert_array_equal(of_all_classes(rows), evaluated.probabilities)


def test_crop_of_the_run_is_taken(model, images, tmp_path):
    shutil.copy(model.path, tmp_path)
    (tmp_path / "run.json").write_text('{"recipe": {"evaluation_crop": 0.5}}')

    pixels = [evaluation_image(path.read_bytes(), (64, 64), 0.5) for path in images]
    rows = predict_files(tmp_path, images)
    np.testing.assert_array_equal(of_all_classes(rows), model.predict(np.stack(pixels)))


def test_paths_come_from_an_endless_generator_only_a_few_batches_ahead(model, images):
    taken = []

    def endless():
        for path in itertools.cycle(images):
            taken.append(path)
            yield path

    found = list(itertools.islice(predict_files(model, endless(), batch_size=2), 21))
    assert [row.path for row in found] == taken[:21]
    assert len(taken) < 21 + 40


def test_error_of_the_generator_is_raised_as_it_is_after_the_rows_before_it(model, images):
    def failing():
        yield images[0]
        raise LookupError("no more paths")

    rows = predict_files(model, failing())
    assert next(rows).path == images[0]
    with pytest.raises(LookupError, match="no more paths"):
        next(rows)


def test_names_that_are_not_utf_8_are_read_and_classes_without_names_are_numbered(
    model, images, tmp_path
):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9,\n.png"))
    shutil.copy(images[0], path)

    (row,) = predict_files(dataclasses.replace(model, class_names=None), [path], top=2)
    assert row.path == path
    assert row.class_names == ("0", str(row.classes[1]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"top": 0}, "`top` must be at least 1"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"crop": 1.5}, "`crop` must be above 0 and at most 1"),
        ({"max_megapixels": 0}, "`max_megapixels` must be above 0"),
        ({"max_megapixels": float("nan")}, "`max_megapixels` must be above 0"),
        ({"image_size": (32, 32)}, "`image_size` must be 64x64"),
        ({"files": "photo.jpg"}, "`files` must be several paths"),
    ],
)
def test_wrong_arguments_give_a_clear_error_before_the_iteration(model, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        predict_files(model, **{"files": []} | arguments)


@pytest.mark.parametrize("size", [(0, 64), (64.0, 64), (64,), 64])
def test_impossible_size_for_a_model_of_any_gives_a_clear_error_before_the_iteration(model, size):
    any_size = dataclasses.replace(model, image_size=None)
    with pytest.raises(ValueError, match="`image_size` must be 2 positive `int`s"):
        predict_files(any_size, [], image_size=size)


def test_infinite_limit_of_megapixels_is_none(model, images, rows):
    assert list(predict_files(model, images, max_megapixels=float("inf"))) == rows


@pytest.mark.slow
def test_contained_weights_name_what_is_in_a_photograph():
    model = open_pretrained("tiny_imagenet")
    (row,) = predict_files(model, [PHOTOGRAPH])

    assert (model.image_size, model.classes, model.evaluation_crop) == ((64, 64), 200, 1.0)
    assert {"tabby", "Egyptian_cat"} & set(row.class_names)
    with pytest.raises(ValueError, match="must be one of imagenet, tiny_imagenet"):
        open_pretrained("cats")


def test_name_in_a_folder_that_begins_like_a_home_folder_is_a_file(model, images, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("~1.png", "~root.png", "b.png"):
        shutil.copy(images[0], folder / name)
    with contextlib.chdir(folder):
        rows = list(predict_files(model, ["~1.png", "~root.png", "b.png"]))

    assert [row.error for row in rows] == ["", "", ""]
