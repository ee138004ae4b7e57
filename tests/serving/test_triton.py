"""The model for Triton's Python backend, with an imitation of the module that Triton provides."""

import importlib.util
import re
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_models
from odd_exif import odd_exif
from PIL import Image

from keras_cabvit.export import to_onnx
from keras_cabvit.runtimes import predict_files

MODELS = Path(__file__).parents[2] / "deploy" / "triton" / "models"
PHOTOGRAPHS = sorted((Path(__file__).parents[1] / "photographs").glob("*.jpg"))

pytestmark = pytest.mark.slow


class Tensor:
    def __init__(self, name, values):
        self.name, self.values = name, values

    def as_numpy(self):
        return self.values


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The model, with a classifier beside it to which every pixel counts, as Triton starts it."""
    triton = types.ModuleType("triton_python_backend_utils")
    triton.Tensor = Tensor
    triton.InferenceResponse = lambda tensors: {each.name: each.values for each in tensors}
    triton.get_input_tensor_by_name = lambda request, name: Tensor(name, request[name])
    monkeypatch.setitem(sys.modules, triton.__name__, triton)
    (tmp_path / "1").mkdir()
    predictions = keras.layers.Dense(5, activation="softmax")
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), predictions]
    classifier = keras.Sequential([keras.Input((64, 64, 3)), *layers])
    kernel = np.random.default_rng(0).normal(0, 0.1, (64 * 64 * 3, 5))
    predictions.set_weights([kernel - kernel.mean(axis=0), np.zeros(5)])
    # A name may have what Unicode calls the end of a line.
    labels = ["ant\N{LINE SEPARATOR}\x85 red", *tiny_models.LABELS[1:]]
    to_onnx(classifier, tmp_path / "1" / "model.onnx", labels=labels, crop=0.9)
    specification = importlib.util.spec_from_file_location("model", MODELS / "cabvit/1/model.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    found = module.TritonPythonModel()
    found.initialize({"model_repository": str(tmp_path), "model_version": "1"})
    return found


def test_requests_of_a_batch_get_the_classes_that_predict_gives(model, tmp_path):
    contents = [file.read_bytes() for file in PHOTOGRAPHS]
    requests = [
        {"image_bytes": np.array([[contents[0]]], object)},
        {"image_bytes": np.array([[b"no image"], [contents[1]]], object)},
    ]

    first, second = model.execute(requests)

    expected = list(predict_files(tmp_path / "1" / "model.onnx", PHOTOGRAPHS))
    for answer, row, prediction in ((first, 0, expected[0]), (second, 1, expected[1])):
        assert answer["status"][row] == [b""]
        # Pillow resizes here, and TensorFlow there.
        found = dict(zip(answer["labels"][row], answer["scores"][row], strict=True))
        for name, probability in zip(prediction.class_names, prediction.probabilities, strict=True):
            assert abs(found[name.encode()] - probability) < 0.01
    assert second["status"][0] == [b"The bytes are not an image."]
    assert not second["scores"][0].any()


def test_strip_is_classified_in_little_memory(model, tmp_path):
    """All of it, resized to cover the crop, would take 80 GB."""
    columns = np.arange(4_000_000)
    strip = np.stack([columns // 9 % 256, columns // 7 % 256, columns // 5 % 256], axis=-1)
    Image.fromarray(strip[None].astype("uint8")).save(tmp_path / "strip.png", compress_level=1)

    (answer,) = model.execute(
        [{"image_bytes": np.array([[(tmp_path / "strip.png").read_bytes()]], object)}]
    )

    assert answer["status"] == [[b""]]
    (expected,) = predict_files(tmp_path / "1" / "model.onnx", [tmp_path / "strip.png"])
    found = dict(zip(answer["labels"][0], answer["scores"][0], strict=True))
    for name, probability in zip(expected.class_names, expected.probabilities, strict=True):
        assert abs(found[name.encode()] - probability) < 0.01


def test_configuration_names_what_the_model_takes_and_gives(model):
    config = (MODELS / "cabvit" / "config.pbtxt").read_text()
    names = re.findall(r'    name: "(\w+)"', config)
    (answer,) = model.execute([{"image_bytes": np.array([[b""]], object)}])

    assert names == ["image_bytes", *answer]


def test_odd_files_do_not_fail_the_batch_and_are_seen_as_by_predict(model, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (48, 80), "uint8")
    turned, deep = tmp_path / "turned.jpg", tmp_path / "deep.png"
    colours = np.stack([noise] * 3, axis=-1)
    Image.fromarray(colours).save(turned, quality=95, exif=odd_exif(6))
    Image.fromarray(noise.astype("uint16") * 256 + 99).save(deep)
    files = [turned, deep]
    content = np.array([[file.read_bytes()] for file in files], object)
    (answer,) = model.execute([{"image_bytes": content}])

    assert answer["status"].tolist() == [[b""], [b""]]
    rows = predict_files(tmp_path / "1" / "model.onnx", files)
    for labels, scores, row in zip(answer["labels"], answer["scores"], rows, strict=True):
        found = dict(zip(labels, scores, strict=True))
        for name, probability in zip(row.class_names, row.probabilities, strict=True):
            assert abs(found[name.encode()] - probability) < 0.02
