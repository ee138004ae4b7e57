import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from keras_cabvit.runtimes import (
    NotAClassifier,
    load_keras,
    load_onnx,
    load_saved_model,
    load_tflite,
)

IMAGES = tiny_models.patterned_images((64, 64, 3), 2)


def test_images_are_rounded_and_clipped_to_the_input_type(served):
    expected = served(IMAGES)

    np.testing.assert_array_equal(served(IMAGES - 0.4), expected)
    outside = np.where(IMAGES == 255, 999.0, np.where(IMAGES == 0, -9.0, IMAGES))
    np.testing.assert_array_equal(served(outside), expected)


def test_without_tensorflow_the_error_gives_the_command(served_hybrid, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r'pip install "keras-cabvit\[tensorflow\]"'):
        load_saved_model(served_hybrid)


@pytest.mark.parametrize("load", [load_tflite, load_onnx])
@pytest.mark.parametrize("threads", [0, -1, 2.0, True])
def test_impossible_number_of_threads_gives_a_clear_error(load, threads, tmp_path):
    with pytest.raises(ValueError, match=f"`threads` must be a positive `int`.*{threads}"):
        load(tmp_path / "unread", threads)


def test_classifier_describes_its_file(served_hybrid):
    classifier = load_saved_model(served_hybrid.parent)  # its highest version

    assert classifier.image_shape == (64, 64, 3)
    assert classifier.classes == 5
    assert classifier.gives_probabilities is True
    assert classifier(IMAGES).shape == (2, 5)


def test_labels_and_versions_are_read_as_written(served_hybrid, tmp_path):
    shutil.copytree(served_hybrid, tmp_path / "1")
    (tmp_path / "²").mkdir()  # no version, though Python calls it a digit
    (tmp_path / "²" / "saved_model.pb").write_bytes(b"")
    labels = tmp_path / "1" / "assets" / "labels.txt"
    labels.write_text("a\u2028b\nc\nd\ne\nf\n\n", encoding="utf-8")

    assert load_saved_model(tmp_path).labels == ("a\u2028b", "c", "d", "e", "f")

    labels.write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match=r"labels in .*labels\.txt must be text in UTF-8"):
        load_saved_model(tmp_path)


def test_model_that_does_not_normalise_its_pixels_is_noted(tmp_path):
    for model, noted in (
        (tiny_models.hybrid(include_preprocessing=False), True),
        (tiny_models.hybrid(), False),
        (tiny_models.pattern_classifier(), False),  # which rescales them
    ):
        model.save(tmp_path / "model.keras")
        notes = load_keras(tmp_path / "model.keras").notes
        assert ["does not normalise pixels itself" in note for note in notes] == [True] * noted


@pytest.mark.parametrize("shape", [(2, 64, 32, 3), (2, 64, 64, 1), (64, 64, 3), (2, 3, 64, 64)])
def test_images_of_another_shape_are_refused(served, shape):
    with pytest.raises(ValueError, match=r"must be of shape \(count, 64, 64, 3\)"):
        served(np.zeros(shape, "uint8"))


def test_images_scaled_to_1_are_refused(served):
    with pytest.raises(ValueError, match=r"must have pixels in \[0, 255\]"):
        served(IMAGES / 255)


def tflite_of(model, path, quantised=False):
    """Writes a model as another program does, whose outputs have no telling names."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantised:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        pixels = [
            [image[None].astype("float32")] for image in tiny_models.patterned_images((8, 8, 3), 8)
        ]
        converter.representative_dataset = lambda: iter(pixels)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path.write_bytes(converter.convert())
    return path


def softmax_of(classes, side=8):
    image = keras.Input((side, side, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(classes, "softmax", name="scores")(x))


def test_flat_8_bit_softmax_of_many_classes_is_taken_for_probabilities(tmp_path):
    model = softmax_of(1000)
    kernel, bias = model.layers[-1].get_weights()
    bias[:20] = 4.0  # a hundredth each; all others are less than a step of 1/256
    model.layers[-1].set_weights([kernel, bias])
    images = tiny_models.patterned_images((8, 8, 3), 2)
    classifier = load_tflite(tflite_of(model, tmp_path / "m.tflite", quantised=True))

    assert classifier(images).sum(axis=1).max() < 0.9  # which is why they do not look like some
    assert classifier.gives_probabilities is True


def test_file_for_images_of_any_size_is_refused(tmp_path):
    path = tflite_of(softmax_of(3, side=None), tmp_path / "m.tflite")
    with pytest.raises(NotAClassifier, match=r"must take images of one size\. It takes any"):
        load_tflite(path)


def test_saved_model_for_a_fixed_batch_is_run_as_often_as_needed(tmp_path):
    kernel = tf.constant(np.random.default_rng(0).normal(0, 0.01, (192, 3)), tf.float32)

    @tf.function
    def serve(image):
        return {"probabilities": tf.nn.softmax(tf.reshape(image, (2, 192)) @ kernel)}

    signature = serve.get_concrete_function(tf.TensorSpec((2, 8, 8, 3), tf.float32, "image"))
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), signatures=signature)
    classifier = load_saved_model(tmp_path)
    images = tiny_models.patterned_images((8, 8, 3), 5)

    expected = tf.nn.softmax(images.reshape(5, 192).astype("float32") @ kernel.numpy())
    np.testing.assert_allclose(classifier(images), expected, atol=1e-6)
    # How its floats are to be normalised, the file does not say.
    assert ["in [0, 255]" in note for note in classifier.notes] == [True]


def test_saved_model_that_takes_one_encoded_image_is_refused(tmp_path):
    serve = tf.function(lambda image: {"scores": tf.zeros((1, 3))})
    signature = serve.get_concrete_function(tf.TensorSpec((), tf.string, "image"))
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), signatures=signature)

    with pytest.raises(NotAClassifier, match=r"must take images of shape .* shape \(\)"):
        load_saved_model(tmp_path)
