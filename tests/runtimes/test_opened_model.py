import errno
import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
import tiny_models
from small_classifier import CLASS_NAMES, SIZE, noise, save_forms, small_classifier

from keras_cabvit.export import to_saved_model
from keras_cabvit.runtimes.opened_model import open_model

# Every test opens an exported model.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("png_files")]

IMAGES = noise(6)


@pytest.fixture(scope="module")
def forms(small_forms, tmp_path_factory):
    """A folder with `model.keras`, `servable/1`, `model.tflite`, `model.onnx` and `labels.txt`."""
    folder = shutil.copytree(small_forms, tmp_path_factory.mktemp("forms") / "forms")
    (folder / "labels.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    return folder


@pytest.mark.parametrize(
    ("path", "form", "name"),
    [
        ("model.keras", "Keras", "model.keras"),
        ("servable", "SavedModel", "servable"),
        ("servable/1", "SavedModel", "servable/1"),
        ("model.tflite", "TFLite", "model.tflite"),
        ("model.onnx", "ONNX", "model.onnx"),
        (".", "Keras", None),
    ],
)
def test_every_form_opens_with_its_labels_and_its_size(forms, path, form, name):
    model = open_model(forms / path)

    assert (model.form, model.name) == (form, name or forms.name)
    assert (model.image_size, model.classes, model.class_names) == (SIZE, 4, CLASS_NAMES)
    file = {"Keras": "model.keras", "TFLite": "model.tflite", "ONNX": "model.onnx"}.get(form)
    expected = (
        (forms / file).stat().st_size
        if file
        else sum(f.stat().st_size for f in (forms / "servable").rglob("*") if f.is_file())
    )
    assert model.size == expected


@pytest.mark.parametrize("activation", ["softmax", None])
def test_every_form_gives_the_probabilities_of_its_model(forms, tmp_path, activation):
    model = small_classifier(activation)
    expected = model.predict_on_batch(IMAGES)
    if activation is None:
        expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
        paths = save_forms(model, tmp_path)
    else:
        paths = [forms / name for name in ("model.keras", "servable", "model.tflite", "model.onnx")]

    for path in paths:
        predict = open_model(path).predict
        for images in (IMAGES, IMAGES.astype("float32")):
            probabilities = predict(images)
            assert probabilities.dtype == np.float32
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["softmax", None])
def test_saved_model_that_keras_itself_exported(tmp_path, activation):
    # Its input is float32 and named by Keras, and the name of its output tells nothing.
    model = small_classifier(activation)
    expected = keras.ops.softmax(model.predict_on_batch(IMAGES)) if activation is None else None
    model.export(tmp_path / "exported", format="tf_saved_model", verbose=False)
    probabilities = open_model(tmp_path / "exported").predict(IMAGES)

    if expected is None:
        expected = model.predict_on_batch(IMAGES)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_separate_softmax_layer_is_not_applied_twice(tmp_path):
    model = small_classifier(None)
    expected = keras.ops.softmax(model.predict_on_batch(IMAGES))
    softmax = keras.layers.Softmax()(model.output)
    keras.Model(model.input, softmax).save(tmp_path / "model.keras")

    probabilities = open_model(tmp_path / "model.keras").predict(IMAGES)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", None])
def test_quantised_file_with_float_input_and_output_in_8_bits(tmp_path, activation):
    import tensorflow as tf

    model, module = small_classifier(activation), tf.Module()
    module.weights = [variable.value for variable in model.variables]
    output = "probabilities" if activation else "logits"
    image = tf.TensorSpec((None, *SIZE, 3), name="image")
    serve = tf.function(lambda image: {output: model(image)}, [image])
    tf.saved_model.save(module, tmp_path / "saved", serve.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([noise(1, i).astype("float32")] for i in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_output_type = tf.uint8
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    probabilities = open_model(tmp_path / "model.tflite").predict(IMAGES)

    expected = small_classifier().predict_on_batch(IMAGES)
    np.testing.assert_allclose(probabilities, expected, atol=0.06)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_highest_version_of_a_servable_is_opened(forms, tmp_path):
    shutil.copytree(forms / "servable" / "1", tmp_path / "servable" / "9")
    newer = small_classifier(seed=2)
    to_saved_model(newer, tmp_path / "servable")
    model = open_model(tmp_path / "servable")

    assert model.path.name == "10"
    np.testing.assert_allclose(model.predict(IMAGES), newer.predict_on_batch(IMAGES), atol=1e-5)


def test_crop_and_classes_of_the_run_are_known(forms, tmp_path):
    shutil.copy(forms / "model.keras", tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {"evaluation_crop": 0.9}}))

    for path in (tmp_path, tmp_path / "model.keras"):
        assert open_model(path).evaluation_crop == 0.9
    assert open_model(forms).evaluation_crop is None
    assert open_model(tmp_path).class_names is None

    (tmp_path / "run.json").write_text(json.dumps({"class_names": CLASS_NAMES}))
    assert open_model(tmp_path).class_names == CLASS_NAMES

    (tmp_path / "run.json").write_text(json.dumps({"class_names": CLASS_NAMES[1:]}))
    with pytest.raises(ValueError, match=rf"`class_names` in {re.escape(str(tmp_path))}.run\.json"):
        open_model(tmp_path)

    (tmp_path / "run.json").write_text(json.dumps({"class_names": "labels.txt"}))
    with pytest.raises(ValueError, match=r"run\.json is damaged: class_names must be a list"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("notes.txt", b"text", r"notes\.txt is not a file that can be opened"),
        ("model.weights.h5", b"\x89HDF", "is not a file that can be opened, or is damaged"),
        ("model.keras", b"text", r"model\.keras is damaged, or holds no Keras model"),
        ("model.tflite", b"text", r"model\.tflite is damaged, or holds no TFLite model"),
        ("model.tflite", b"", r"model\.tflite is damaged"),
        ("model.onnx", b"text", r"model\.onnx is damaged, or holds no ONNX model"),
        ("model.onnx", b"", r"model\.onnx is damaged"),
        ("servable/1/saved_model.pb", b"text", r"servable/1 is damaged, or holds no SavedModel"),
        ("photographs/cat.jpg", b"text", "photographs is a folder of something else"),
        ("run/checkpoints/1.npz", b"text", "The run in .*run has not finished"),
        ("runs/seed_0/run.json", b"{}", r"give one of them, such as .*runs/seed_0\."),
    ],
)
def test_file_without_a_model_gives_a_clear_error(tmp_path, file, content, sentence):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(content)

    with pytest.raises(ValueError, match=sentence):
        open_model(tmp_path / file.split("/")[0])


def test_full_disk_is_not_taken_for_a_damaged_file(forms, tmp_path, monkeypatch):
    shutil.copy(forms / "model.keras", tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # Keras unpacks weights beside the file if they may not fit into memory.
    monkeypatch.setattr(keras.saving, "load_model", full)
    with pytest.raises(OSError, match=r"^The disk is full.*model\.keras was not read"):
        open_model(tmp_path / "model.keras")


def test_missing_path_gives_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is nothing at .*Give a run's folder, a \."):
        open_model(tmp_path / "no" / "model.keras")


@pytest.mark.parametrize(
    "file", ["model.keras", "model.tflite", "model.onnx", "servable/1/saved_model.pb"]
)
def test_truncated_file_gives_a_clear_error(forms, tmp_path, file):
    folder = shutil.copytree(forms, tmp_path / "forms")
    (folder / file).write_bytes((folder / file).read_bytes()[:-700])

    with pytest.raises(ValueError, match="is damaged, or holds no"):
        open_model(folder / file.split("/")[0])


def test_model_without_its_classifier_gives_a_clear_error(tmp_path):
    pooled = tiny_models.plain(depth=1, include_top=False, pooling="avg")
    feature_map = tiny_models.hybrid(depths=(1, 1, 1, 1), include_top=False)
    for model in (pooled, feature_map):
        model.save(tmp_path / "model.keras")
        with pytest.raises(ValueError, match=r"has no classifier: .* `include_top=True`"):
            open_model(tmp_path / "model.keras")


def test_other_models_give_a_clear_error(tmp_path):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    sigmoid = keras.layers.Dense(3, "sigmoid")(pooled)
    grey = keras.Input((8, 8, 1))
    scores = keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(grey))
    for model, sentence in (
        (keras.Model(image, [sigmoid, sigmoid]), "has 1 inputs and 2 outputs"),
        (keras.Model(image, sigmoid), "ends in sigmoid"),
        (keras.Model(grey, scores), r"of shape \(height, width, 3\). It takes \(8, 8, 1\)"),
    ):
        model.save(tmp_path / "model.keras")
        with pytest.raises(ValueError, match=sentence):
            open_model(tmp_path / "model.keras")


def test_labels_of_another_model_give_a_clear_error(forms, tmp_path):
    shutil.copy(forms / "model.keras", tmp_path)
    (tmp_path / "labels.txt").write_text("ant\nbee\n")

    with pytest.raises(
        ValueError, match=r"labels\.txt must name the 4 classes .* Received: 2 names"
    ):
        open_model(tmp_path)


def test_exports_bring_their_own_labels(tmp_path):
    save_forms(small_classifier(), tmp_path, CLASS_NAMES)
    (tmp_path / "labels.txt").write_text("of\nsome\nother\nmodel\n")

    for name in ("servable", "model.tflite", "model.onnx"):
        assert open_model(tmp_path / name).class_names == CLASS_NAMES


def test_damaged_run_record_gives_a_clear_error(forms, tmp_path):
    shutil.copy(forms / "model.keras", tmp_path)
    (tmp_path / "run.json").write_text('{"recipe": ')

    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        open_model(tmp_path)


def test_nan_scores_give_a_clear_error(tmp_path):
    model = small_classifier()
    model.layers[-1].bias.assign([np.nan, 0, 0, 0])
    model.save(tmp_path / "model.keras")

    with pytest.raises(ValueError, match="returns NaN or infinite scores"):
        open_model(tmp_path / "model.keras").predict(IMAGES)


def test_tflite_file_for_batches_gives_a_clear_error(tmp_path):
    import tensorflow as tf

    model = small_classifier()
    signature = tf.function(
        lambda image: model(image), [tf.TensorSpec((8, *SIZE, 3), name="image")]
    ).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([signature], model).convert()
    (tmp_path / "model.tflite").write_bytes(content)

    with pytest.raises(ValueError, match=r"one image at a time.* takes float32 of shape \(8, 16"):
        open_model(tmp_path / "model.tflite")


def test_why_a_folder_of_a_run_has_no_model_is_said(tmp_path):
    (tmp_path / "run.json").write_text('{"finished": "yes"}')
    with pytest.raises(ValueError, match=r"is finished, but its model\.keras was moved or renamed"):
        open_model(tmp_path)

    (tmp_path / "run.json").write_text('{"validation_images": 100}')
    (tmp_path / "model.weights.h5").touch()
    with pytest.raises(ValueError, match="holds weights alone, as `train-in-memory` writes them"):
        open_model(tmp_path)
