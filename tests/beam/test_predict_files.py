"""Image files in Beam pipelines: the rows of `predict_files`, and a row for every broken file.

These tests run by `pytest tests/beam`, where Beam is installed: see CONTRIBUTING.md.
"""

import os
import shutil
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow.parquet
import pytest
import tensorflow as tf
import tiny_models
from apache_beam.io import fileio
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from huge_image import huge_png

from keras_cabvit.beam import ImageClassifierHandler, PredictedFile, PredictFiles, UnreadableFile
from keras_cabvit.beam.decode_files import DecodeFiles
from keras_cabvit.runtimes import open_model, predict_files

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "cat.jpg"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a run: a classifier of patterns, with names of its classes."""
    folder = tmp_path_factory.mktemp("run")
    tiny_models.pattern_classifier().save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(tiny_models.LABELS))
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of nine images of several formats and sizes."""
    folder = tmp_path_factory.mktemp("images")
    pixels = tiny_models.patterned_images((80, 72, 3), 8)
    for number, image in enumerate(pixels):
        (folder / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    shutil.copy(PHOTOGRAPH, folder / "cat[1].jpg")
    return folder


@pytest.fixture
def broken(tmp_path):
    """A folder of files that are not images, and paths at which there is no file."""
    photograph = PHOTOGRAPH.read_bytes()
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"no image at all",
        "cut.jpg": photograph[: len(photograph) // 2],
        "huge.png": huge_png(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with open(tmp_path / "long.jpg", "wb") as file:
        file.truncate(600 * 10**6)
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    return tmp_path


def pipeline(**options):
    """Returns a pipeline for Beam's local runner."""
    return beam.Pipeline("FnApiRunner", PipelineOptions(**options))


def expected(model, files):
    """Returns the rows that `predict_files` gives, in two lists."""
    rows = list(predict_files(model, files))
    return (
        [
            PredictedFile(
                str(row.path), list(row.classes), list(row.class_names), list(row.probabilities)
            )
            for row in rows
            if not row.error
        ],
        [UnreadableFile(str(row.path), row.error) for row in rows if row.error],
    )


def alike(rows):
    """Returns a matcher of rows in any order, with probabilities that are close."""

    def match(found):
        found, wanted = sorted(found), sorted(rows)
        assert [row[:3] for row in found] == [row[:3] for row in wanted]
        assert len(found) > 0
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)

    return match


def test_files_have_the_rows_of_predict_files(model, images, broken):
    files = [*sorted(images.iterdir()), *sorted(broken.iterdir()), broken / "absent.jpg"]
    predictions, unreadable = expected(model, files)
    assert (len(predictions), len(unreadable)) == (9, 8)

    with pipeline() as steps:
        found = steps | beam.Create([str(file) for file in files]) | PredictFiles(model)
        assert_that(found.predictions, alike(predictions), "predictions")
        assert_that(found.unreadable, equal_to(unreadable), "unreadable")


def test_two_worker_processes_take_every_file_once(model, images, broken):
    (broken / "pipe.jpg").unlink()
    files = [*sorted(images.iterdir()), *(f for f in sorted(broken.iterdir()) if f.is_file())]
    predictions, unreadable = expected(model, files)

    options = {"direct_num_workers": 2, "direct_running_mode": "multi_processing"}
    with pipeline(**options) as steps:
        matches = [steps | str(f) >> fileio.MatchFiles(str(f / "*")) for f in (images, broken)]
        found = matches | beam.Flatten() | fileio.ReadMatches() | PredictFiles(model, batch_size=4)
        assert_that(found.predictions, alike(predictions), "predictions")
        assert_that(found.unreadable, equal_to(unreadable), "unreadable")
        # The step has the rows of the process that classified them.
        processes = found.predictions | beam.Map(lambda row: os.getpid()) | beam.Distinct()
        assert_that(processes | beam.combiners.Count.Globally(), equal_to([2]), "processes")


def test_rows_are_written_to_files_by_their_schema(model, images, broken, tmp_path):
    files = [str(images / "0.png"), str(broken / "text.jpg")]
    with pipeline() as steps:
        found = steps | beam.Create(files) | PredictFiles(model, top=2)
        found.predictions | beam.io.WriteToParquet(str(tmp_path / "predictions"))
        found.unreadable | "Errors" >> beam.io.WriteToParquet(str(tmp_path / "unreadable"))

    (row,), (error,) = (
        pyarrow.parquet.read_table(next(tmp_path.glob(f"{name}*"))).to_pylist()
        for name in ("predictions", "unreadable")
    )
    (wanted,), (unreadable,) = expected(model, files)
    assert error == unreadable._asdict()
    assert row.keys() == set(PredictedFile._fields)
    assert (row["file"], row["class_names"]) == (files[0], wanted.class_names[:2])
    np.testing.assert_allclose(row["probabilities"], wanted.probabilities[:2], atol=1e-6)


def test_handler_gives_the_probabilities_of_pixels(model):
    images = tiny_models.patterned_images((64, 64, 3), 3)

    with pipeline() as steps:
        found = steps | beam.Create(list(images)) | RunInference(ImageClassifierHandler(model))
        found = found | beam.Map(lambda row: tuple(row.tolist()))
        expected = sorted(map(tuple, open_model(model).predict(images).tolist()))
        assert_that(found, lambda rows: np.testing.assert_allclose(sorted(rows), expected, 1e-5))


def test_every_batch_size_is_filled_up_to_a_power_of_two(model):
    sizes = []

    class Opened:
        def predict(self, pixels):
            sizes.append(len(pixels))
            return np.zeros((len(pixels), 5), "float32")

    handler = ImageClassifierHandler(model, batch_size=6)
    for count in (1, 2, 3, 5, 6):
        batch = [np.zeros((64, 64, 3), "uint8")] * count
        assert len(list(handler.run_inference(batch, Opened()))) == count
    assert sizes == [1, 2, 4, 6, 6]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "gs://bucket/run"}, ValueError, "`model` must be a path on this computer"),
        ({"model": "absent.keras"}, FileNotFoundError, "There is nothing at absent.keras"),
        ({"top": 0}, ValueError, "`top` must be at least 1. Received: top=0"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"crop": 2}, ValueError, "`crop` must be above 0 and at most 1. Received: crop=2"),
        ({"max_megapixels": 0}, ValueError, "`max_megapixels` must be above 0"),
        ({"max_megapixels": float("nan")}, ValueError, "`max_megapixels` must be above 0"),
        ({"image_size": (32, 32)}, ValueError, "`image_size` must be 64x64"),
    ],
)
def test_mistakes_are_named_where_the_pipeline_is_made(model, arguments, error, message):
    with pytest.raises(error, match=message):
        PredictFiles(**{"model": model} | arguments)


def test_infinite_limit_of_megapixels_is_none():
    (row,) = DecodeFiles((8, 8), 1.0, max_megapixels=float("inf")).process(str(PHOTOGRAPH))
    assert row[0] == str(PHOTOGRAPH)
    assert row[1].shape == (8, 8, 3)


def test_files_are_not_decoded_with_a_limit_that_is_no_number():
    with pytest.raises(ValueError, match="`max_megapixels` must be above 0"):
        DecodeFiles((8, 8), 1.0, max_megapixels=float("nan"))


def test_other_arguments_of_inference_are_refused(model):
    with pytest.raises(ValueError, match=r"takes pixels alone\. Received: {'top': 3}"):
        ImageClassifierHandler(model).validate_inference_args({"top": 3})


@pytest.mark.parametrize("code", [403, 404, 503])
def test_object_that_storage_does_not_give_is_unreadable_unless_that_may_pass(monkeypatch, code):
    class RefusedError(Exception):
        """As those of google.api_core.exceptions."""

    def refuse(*_, **__):
        error = RefusedError("No such object: bucket/deleted.jpg")
        error.code = code
        raise error

    monkeypatch.setattr(FileSystems, "open", refuse)
    rows = DecodeFiles((8, 8), 1.0).process("gs://bucket/deleted.jpg")
    if code == 503:
        with pytest.raises(RefusedError):
            next(rows)
        return
    (row,) = rows
    sentence = "The file cannot be read: No such object: bucket/deleted.jpg."
    assert row.value == UnreadableFile("gs://bucket/deleted.jpg", sentence)
