"""TensorFlow stays off the GPUs where it only reads images, or serves another backend."""

import io
import json
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_cabvit.data import evaluation_pixels
from keras_cabvit.export import tensorflow_process
from keras_cabvit.gpu import leave_gpus_to_the_backend
from keras_cabvit.runtimes import load_saved_model


@pytest.fixture
def calls(monkeypatch):
    """The devices that TensorFlow is asked to see, in a process that has not asked yet."""
    calls = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *given: calls.append(given))
    leave_gpus_to_the_backend.cache_clear()
    yield calls
    leave_gpus_to_the_backend.cache_clear()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_reading_images_beside_another_backend_hides_the_gpus_once(calls, monkeypatch, backend):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    for _ in range(2):
        evaluation_pixels(np.zeros((1, 8, 8), "uint8"), (8, 8))
    assert calls == [([], "GPU")]


def test_opening_a_saved_model_beside_another_backend_hides_the_gpus_first(
    calls, monkeypatch, tmp_path
):
    (tmp_path / "saved_model.pb").touch()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(tf.saved_model, "load", lambda path: calls.append(path))
    with pytest.raises(AttributeError):  # nothing was loaded
        load_saved_model(tmp_path)
    assert calls == [([], "GPU"), str(tmp_path)]


def test_the_tensorflow_backend_keeps_its_gpus(calls, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    evaluation_pixels(np.zeros((1, 8, 8), "uint8"), (8, 8))
    assert calls == []


def test_tensorflow_that_already_uses_its_devices_is_left_alone(calls, monkeypatch):
    def refuse(*_):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    assert evaluation_pixels(np.zeros((1, 8, 8), "uint8"), (8, 8)).shape == (1, 8, 8, 3)


def test_exporting_process_hides_the_gpus_before_it_loads_the_model(
    calls, monkeypatch, capsys, tmp_path
):
    def load_model(path, **_):
        calls.append(path)
        raise ValueError("not a model")

    file = str(tmp_path / "a.keras")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    request = {"module": "keras_cabvit.export", "export": "to_tflite", "model": file}
    request["import_path"] = []
    monkeypatch.setattr(keras.saving, "load_model", load_model)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
    tensorflow_process.main()
    assert calls == [([], "GPU"), file]
    assert "not a model" in capsys.readouterr().out


PROGRAM = """
import json
import training.data.opening, training.data.batches, training.data.folder
import tensorflow as tf
from tensorflow.python.eager import context
from keras_cabvit.gpu import leave_gpus_to_the_backend
print(json.dumps([context.context()._initialized, leave_gpus_to_the_backend.cache_info().currsize]))
"""


@pytest.mark.slow
def test_training_hides_the_gpus_before_the_first_operation(run_python):
    assert run_python(["-c", PROGRAM], "jax") == [False, 1]
