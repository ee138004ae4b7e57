"""Statements of a .tflite file about its input and output are followed."""

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.export import Metadata, to_tflite
from keras_cabvit.export.tflite import metadata
from keras_cabvit.export.tflite.flatbuffer import pack, unpack
from keras_cabvit.runtimes import load_tflite

IMAGES = tiny_models.patterned_images((64, 64, 3), 5)


@pytest.fixture(scope="module")
def model():
    """A classifier of pixels in [-1, 1]."""
    classifier = tiny_models.pattern_classifier()
    image = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(127.5, 127.5)(image)
    return keras.Model(image, classifier(x))


@pytest.fixture(scope="module")
def contents(model, tmp_path_factory):
    """A file without metadata per type of pixels."""
    found = {}
    for input_type in ("float32", "uint8"):
        path = tmp_path_factory.mktemp("lite") / "model.tflite"
        unpacked = unpack(to_tflite(model, path, "none", input_type=input_type).read_bytes())
        unpacked.metadata = None
        found[input_type] = pack(unpacked)
    return found


@pytest.fixture
def write(monkeypatch, tmp_path, contents):
    """Writes a file with changed fields of its metadata, by table."""
    table = metadata._Writer.table

    def write(labels=None, input_type="float32", **changes):
        def changed(writer, name, /, **values):
            return table(writer, name, **values | changes.get(name, {}))

        monkeypatch.setattr(metadata._Writer, "table", changed)
        path = tmp_path / "model.tflite"
        about = Metadata(name="model")
        path.write_bytes(metadata.with_metadata(contents[input_type], about, labels, 1.0))
        return path

    return write


def scores(path):
    return load_tflite(path)(IMAGES)


@pytest.mark.parametrize("std", [[127.5], [127.5, 127.5, 127.5]])
def test_float_pixels_are_normalised(write, model, std):
    options = {"mean": [127.5] * len(std), "std": std}
    expected = model.predict_on_batch((IMAGES - 127.5) / np.array(127.5))

    assert (expected.argmax(axis=1) == np.arange(5)).all()
    path = write(NormalizationOptions=options)
    np.testing.assert_allclose(scores(path), expected, atol=1e-5)
    assert load_tflite(path).notes == ()


def test_uint8_pixels_are_fed_as_they_are(write, model):
    path = write(input_type="uint8", NormalizationOptions={"mean": [127.5], "std": [127.5]})

    expected = model.predict_on_batch(IMAGES.astype("float32"))
    np.testing.assert_allclose(scores(path), expected, atol=1e-5)


def test_float_pixels_without_a_statement_are_fed_unchanged_with_a_note(tmp_path, model, contents):
    path = tmp_path / "model.tflite"
    path.write_bytes(contents["float32"])

    np.testing.assert_allclose(
        scores(path), model.predict_on_batch(IMAGES.astype("float32")), atol=1e-5
    )
    (note,) = load_tflite(path).notes
    assert "does not state how pixels are normalised" in note


def test_thresholds_and_recalibrated_scores_are_stated(monkeypatch, tmp_path, contents):
    table = metadata._Writer.table
    for kind, word in ((2, "recalibrates scores"), (3, "drops low scores")):

        def with_unit(writer, name, /, kind=kind, **values):
            if name == "TensorMetadata" and "stats" in values and "process_units" not in values:
                unit = table(writer, "ProcessUnit", options_type=kind)
                values["process_units"] = [unit]
            return table(writer, name, **values)

        monkeypatch.setattr(metadata._Writer, "table", with_unit)
        content = metadata.with_metadata(contents["uint8"], Metadata(name="model"), None, 1.0)
        path = tmp_path / f"{kind}.tflite"
        path.write_bytes(content)
        (note,) = load_tflite(path).notes
        assert word in note


def test_labels_have_the_name_that_the_metadata_gives(write):
    assert load_tflite(write(tiny_models.LABELS)).labels == tuple(tiny_models.LABELS)
    assert load_tflite(write()).labels is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"NormalizationOptions": {"mean": [1.0, 2.0], "std": [1.0]}}, "one mean and one standard"),
        ({"NormalizationOptions": {"mean": [1.0, 2.0], "std": [1.0, 1.0]}}, "2 for 3 channels"),
        ({"NormalizationOptions": {"mean": [1.0], "std": [0.0]}}, "other than 0"),
        ({"AssociatedFile": {"type": 3}}, "its output holds the numbers of classes"),
        ({"AssociatedFile": {"name": "names.txt"}}, "its metadata names the file names.txt"),
    ],
    ids=range(5),
)
def test_contradictory_metadata_gives_a_clear_error(write, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_tflite(write(tiny_models.LABELS, **changes))
