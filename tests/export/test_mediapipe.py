"""The .tflite forms as an Android app uses them: through MediaPipe's ImageClassifier."""

import ctypes
import inspect
import json
import os
import re
import sys
import zipfile

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import DECIBELS, TFLITE_FORMS

from keras_cabvit.export import Metadata, to_tflite
from keras_cabvit.export.tflite.metadata import _Writer
from keras_cabvit.runtimes import load_tflite
from keras_cabvit.runtimes.comparison import signal_to_noise
from keras_cabvit.runtimes.tflite_metadata import TABLES

LABELS = ["ant", "bee", "cat", "dog", "élan"]

pytestmark = pytest.mark.slow


def missing_libraries():
    """Returns the system libraries that MediaPipe needs and that are missing."""
    missing = []
    for name in ("libGL.so.1", "libEGL.so.1", "libGLESv2.so.2"):
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


if sys.platform == "linux" and (missing := missing_libraries()):
    reason = f"MediaPipe needs {', '.join(missing)}: apt-get install libgl1 libegl1 libgles2"
    if os.environ.get("KERAS_CABVIT_REQUIRE_MEDIAPIPE"):
        raise RuntimeError(reason)
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """A small classifier, and its files in every form with labels and a description."""
    model = tiny_models.pattern_classifier()
    folder = tmp_path_factory.mktemp("described")
    return model, {
        form: to_tflite(
            model,
            folder / f"{form}.tflite",
            quantization=form,
            calibration=tiny_models.patterned_images((64, 64, 3), 32, seed=1),
            labels=LABELS,
            crop=0.9,
            metadata=Metadata(description="Five animals", version="7", author="A", license="MIT"),
        )
        for form in TFLITE_FORMS
    }


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """40 PNG files of exactly the models' size, and their pixels."""
    folder = tmp_path_factory.mktemp("photographs")
    pixels = tiny_models.patterned_images((64, 64, 3), 40)
    for number, image in enumerate(pixels):
        keras.utils.save_img(folder / f"{number}.png", image, scale=False)
    return [folder / f"{number}.png" for number in range(40)], pixels


def classify(path, photographs):
    """Returns the categories of each file, (index, name, score), the best first."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        BaseOptions(model_asset_path=str(path)),
        score_threshold=float("-inf"),  # MediaPipe 1.2.0 would leave out negative logits
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        return [
            [
                (category.index, category.category_name, category.score)
                for category in classifier.classify(mediapipe.Image.create_from_file(str(file)))
                .classifications[0]
                .categories
            ]
            for file in photographs
        ]


def scores_of(found):
    """Returns the scores of `classify` in the order of the classes, (files, classes)."""
    return np.array([[score for _, _, score in sorted(row)] for row in found])


@pytest.mark.parametrize("form", TFLITE_FORMS)
def test_image_classifier_agrees_with_keras(trained_hybrid, tflite_files, photographs, form):
    paths, pixels = photographs
    expected = tiny_models.outputs(trained_hybrid, pixels.astype("float32"))
    found = classify(tflite_files[form], paths)

    assert len(set(expected.argmax(axis=1))) == 5
    assert [row[0][0] for row in found] == expected.argmax(axis=1).tolist()
    assert signal_to_noise(expected, scores_of(found)) > DECIBELS[form]


@pytest.mark.parametrize("form", TFLITE_FORMS)
def test_image_classifier_names_the_classes_and_gives_their_probabilities(
    described, photographs, form
):
    paths, pixels = photographs
    model, files = described
    expected = tiny_models.outputs(model, pixels[:5].astype("float32"))
    found = classify(files[form], paths[:5])

    assert all(name == LABELS[index] for row in found for index, name, _ in row)
    np.testing.assert_allclose(scores_of(found), expected, atol=0.02)


def test_float_pixels_are_normalised_per_metadata(described, tmp_path, photographs):
    paths, pixels = photographs
    model, _ = described
    path = to_tflite(model, tmp_path / "m.tflite", quantization="none", input_type="float32")
    expected = tiny_models.outputs(model, pixels[:5].astype("float32"))

    np.testing.assert_allclose(scores_of(classify(path, paths[:5])), expected, atol=1e-3)


def test_float_file_of_another_normalisation_gets_the_same_pixels_here(
    tmp_path, photographs, monkeypatch
):
    table = _Writer.table

    def scaled(writer, name, /, **values):
        options = {"mean": [127.5], "std": [127.5]} if name == "NormalizationOptions" else {}
        return table(writer, name, **values | options)

    monkeypatch.setattr(_Writer, "table", scaled)
    image = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(127.5, 127.5)(image)  # takes pixels in [-1, 1]
    model = keras.Model(image, tiny_models.pattern_classifier()(x))
    path = to_tflite(model, tmp_path / "m.tflite", quantization="none", input_type="float32")
    paths, pixels = photographs
    given = scores_of(classify(path, paths[:5]))

    assert (given.argmax(axis=1) == np.arange(5)).all()
    np.testing.assert_allclose(load_tflite(path)(pixels[:5]), given, atol=1e-5)


@pytest.mark.parametrize("form", TFLITE_FORMS)
def test_metadata_describes_the_model(described, form):
    from ai_edge_litert import schema_py_generated as schema
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema

    files = described[1]
    content = files[form].read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (entry,) = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    buffer = bytes(model.buffers[entry.buffer].data)
    assert metadata_schema.ModelMetadata.ModelMetadataBufferHasIdentifier(buffer, 0)
    metadata = metadata_schema.ModelMetadataT.InitFromObj(
        metadata_schema.ModelMetadata.GetRootAs(buffer, 0)
    )

    assert (metadata.name, metadata.description) == (b"patterns", b"Five animals")
    assert (metadata.version, metadata.author, metadata.license) == (b"7", b"A", b"MIT")
    (graph,) = metadata.subgraphMetadata
    (image,), (scores,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert (image.name, scores.name) == (b"image", b"probabilities")
    size = image.content.contentProperties.defaultSize
    assert (size.width, size.height) == (64, 64)
    (normalization,) = image.processUnits
    assert (list(normalization.options.mean), list(normalization.options.std)) == ([0], [1])
    assert (list(image.stats.min), list(image.stats.max)) == ([0], [255])
    (labels,) = scores.associatedFiles
    assert labels.type == metadata_schema.AssociatedFileType.TENSOR_AXIS_LABELS
    (transform,) = metadata.associatedFiles
    assert transform.type == metadata_schema.AssociatedFileType.DESCRIPTIONS
    with zipfile.ZipFile(files[form]) as archive:
        stated = json.loads(archive.read(transform.name.decode()))
        assert stated == {"image_size": [64, 64], "evaluation_crop": 0.9}
        assert archive.read(labels.name.decode()).decode().split() == LABELS


def test_metadata_fields_match_the_schema():
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema

    for table, fields in TABLES.items():
        source = inspect.getsource(getattr(metadata_schema, table))
        for place, field in enumerate(fields):
            accessor = "".join(word.capitalize() for word in field.split("_"))
            offset = re.search(rf"def {accessor}\(self.*?Offset\((\d+)\)", source, re.DOTALL)
            assert int(offset[1]) == 4 + 2 * place, (table, field)
