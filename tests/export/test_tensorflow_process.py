"""Exports contain only TensorFlow operations, regardless of the model's backend."""

import contextlib
import io
import sys

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.export import tensorflow_process, to_onnx, to_saved_model, to_tflite
from keras_cabvit.runtimes import load_keras, load_saved_model, load_tflite

# Operations that call Python, and the one with a whole program of JAX.
NOT_IN_A_SERVER = (b"PyFunc", b"XlaCallModule")


@pytest.fixture(scope="module")
def exported(request, tmp_path_factory):
    """A model and its SavedModel; on other backends than TensorFlow, a quicker one.

    That ends with a user's layer, so that one export shows that it is found, too.
    """
    if keras.config.backend() == "tensorflow":
        return request.getfixturevalue("tiny_hybrid"), request.getfixturevalue("served_hybrid")
    model = tiny_models.filled(tiny_models.plain(depth=1))
    model = keras.Model(model.input, keras.layers.Softmax()(Half()(model.output)))
    return model, to_saved_model(model, tmp_path_factory.mktemp("exported") / "m", batch_sizes=())


@pytest.mark.every_backend
def test_only_tensorflow_exports_in_its_own_process(monkeypatch, tmp_path):
    asked = []

    def answer(request, folder):
        asked.append(request["export"])
        return request["path"]

    def export(model, path):
        exported.append(model)
        return path

    exported = []
    monkeypatch.setattr(tensorflow_process, "_answer_of_second_process", answer)
    model = tiny_models.pattern_classifier()
    path = tensorflow_process.exports_with_tensorflow(export)(model, tmp_path / "exported")

    assert path == tmp_path / "exported"
    in_tensorflow = keras.config.backend() == "tensorflow"
    assert (exported, asked) == (([model], []) if in_tensorflow else ([], ["export"]))


@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("export", "name"), [(to_saved_model, "m"), (to_tflite, "m.tflite"), (to_onnx, "m.onnx")]
)
def test_every_format_is_exported_in_that_process(monkeypatch, tmp_path, export, name):
    class Asked(Exception):
        pass

    def answer(request, folder):
        raise Asked

    if keras.config.backend() == "tensorflow":
        monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(tensorflow_process, "_answer_of_second_process", answer)
    with pytest.raises(Asked):
        export(tiny_models.pattern_classifier(), tmp_path / name)


@pytest.mark.torch_too
def test_saved_model_gives_the_same_scores_and_has_only_operations_that_a_server_runs(exported):
    model, folder = exported
    images = tiny_models.images(model).astype("uint8")

    expected = tiny_models.outputs(model, images)
    np.testing.assert_allclose(load_saved_model(folder)(images), expected, atol=1e-5)

    content = (folder / "saved_model.pb").read_bytes()
    assert b"MatMul" in content
    assert not [operation for operation in NOT_IN_A_SERVER if operation in content]


@pytest.mark.slow
def test_tflite_file_gives_the_same_scores(tiny_plain, tmp_path):
    path = to_tflite(tiny_plain, tmp_path / "model.tflite", quantization="none")
    images = tiny_models.images(tiny_plain).astype("uint8")

    expected = tiny_models.outputs(tiny_plain, images)
    np.testing.assert_allclose(load_tflite(path)(images), expected, atol=1e-5)


@keras.saving.register_keras_serializable("tests")
class Half(keras.layers.Layer):
    """A user's layer in a module that can be imported."""

    def call(self, x):
        return x / 2


@pytest.fixture
def exported_by_second_process(tmp_path, monkeypatch):
    """A function that exports a model, and the path at which it was saved for that.

    What the second process does is done in this one, which has imported TensorFlow already.
    """

    def run(request, folder):
        monkeypatch.setattr(sys, "stdin", io.StringIO(request))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            tensorflow_process.main()
        return 0, printed.getvalue(), ""

    monkeypatch.setattr(tensorflow_process, "_second_process", run)
    path = tmp_path / "model.keras"

    def export(model, **options):
        model.save(path)
        request = {
            "module": "keras_cabvit.export.saved_model.servable",
            "export": "to_saved_model",
            "model": str(path),
            "path": str(tmp_path / "served"),
            "options": options,
            "import_path": sys.path,
        }
        return tensorflow_process._answer_of_second_process(request, str(tmp_path))

    return export, path


def test_the_exporter_raises_the_same_errors(exported_by_second_process, tmp_path):
    export, path = exported_by_second_process
    with pytest.raises(FileNotFoundError, match="no file of labels at"):
        export(tiny_models.pattern_classifier(), labels=str(tmp_path / "labels.txt"))
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_layer_gives_a_clear_error(exported_by_second_process):
    class Unregistered(Half):
        pass

    model = tiny_models.pattern_classifier()
    model = keras.Model(model.input, keras.layers.Softmax()(Unregistered()(model.output)))
    export, path = exported_by_second_process

    with pytest.raises(ValueError, match="has 'Unregistered', a class or function of your own"):
        export(model)
    with pytest.raises(ValueError, match="needs 'Unregistered', a class or function that is not"):
        load_keras(path)


def test_lambda_layer_gives_a_clear_error(exported_by_second_process):
    model = tiny_models.pattern_classifier()
    half = keras.layers.Lambda(lambda x: x / 2)
    model = keras.Model(model.input, keras.layers.Softmax()(half(model.output)))
    export, path = exported_by_second_process

    with pytest.raises(ValueError, match="has a Lambda layer, whose Python function cannot be"):
        export(model)
    with pytest.raises(ValueError, match=r"model\.keras has a Lambda layer, and Python functions"):
        load_keras(path)
