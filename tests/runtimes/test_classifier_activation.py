"""The activation of a Keras model, from the operation that produces its output."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from keras_cabvit.export import to_saved_model, to_tflite
from keras_cabvit.export.signatures import classifier_output_name
from keras_cabvit.runtimes import NotAClassifier, load_keras, load_saved_model, load_tflite
from keras_cabvit.runtimes.classifier_activation import classifier_activation

pytestmark = pytest.mark.usefixtures("png_files")

layers, ops = keras.layers, keras.ops
IMAGES = tiny_models.patterned_images((64, 64, 3), 6)


@keras.saving.register_keras_serializable("tests")
class Temperature(layers.Layer):
    def call(self, x):
        return x / 2


@keras.saving.register_keras_serializable("tests")
class Shifted(layers.Dense):
    def call(self, x):
        return super().call(x) + 1


@keras.saving.register_keras_serializable("tests")
class WithSoftmax(layers.Layer):
    def call(self, x):
        return ops.softmax(x)


def followed_by(*operations):
    """Returns a classifier of logits followed by operations."""
    model = tiny_models.pattern_classifier(None)
    x = model.output
    for operation in operations:
        x = operation(x)
    return keras.Model(model.input, x)


def ensemble():
    model, other = (tiny_models.pattern_classifier() for _ in range(2))
    return keras.Model(model.input, layers.Average()([model.output, other(model.input)]))


def nested(*parts):
    return keras.Sequential([keras.Input((64, 64, 3)), *parts])


def with_head(*head):
    image = keras.Input((64, 64, 3))
    x = layers.GlobalAveragePooling2D()(image)
    for layer in head:
        x = layer(x)
    return keras.Model(image, x)


@pytest.mark.parametrize(
    ("build", "activation"),
    [
        (lambda: followed_by(ops.softmax), "softmax"),
        (lambda: followed_by(layers.Softmax()), "softmax"),
        (lambda: followed_by(layers.Activation("softmax")), "softmax"),
        (lambda: followed_by(ops.softmax, lambda x: ops.cast(x, "float32")), "softmax"),
        (lambda: followed_by(ops.softmax, layers.Activation("linear", dtype="float32")), "softmax"),
        (lambda: followed_by(lambda x: x / 2, ops.softmax), "softmax"),
        (lambda: followed_by(Temperature(), ops.softmax), "softmax"),
        (lambda: nested(tiny_models.pattern_classifier(None), layers.Softmax()), "softmax"),
        (lambda: nested(followed_by(ops.softmax), layers.Dropout(0.5)), "softmax"),
        (
            lambda: nested(
                tiny_models.pattern_classifier(None),
                keras.Sequential([keras.Input((5,)), layers.Softmax()]),
            ),
            "softmax",
        ),
        (
            lambda: nested(
                tiny_models.pattern_classifier(),
                keras.Sequential([keras.Input((5,)), layers.Dropout(0.5)]),
            ),
            "softmax",
        ),
        (ensemble, "softmax"),
        (lambda: with_head(layers.Dense(3, ops.softmax)), "softmax"),
        (lambda: followed_by(), "linear"),
        (lambda: followed_by(ops.log_softmax), "linear"),  # softmax returns its exponentials
        (lambda: followed_by(lambda x: x / 2), "linear"),
        (lambda: with_head(layers.Dense(1, "sigmoid")), "sigmoid"),
        (lambda: followed_by(ops.softmax, lambda x: x / 2), None),
        (lambda: followed_by(lambda x: 1 - x), None),
        (lambda: followed_by(lambda x: ops.softmax(x, axis=0)), None),
        (lambda: followed_by(ops.softmax, Temperature()), None),
        (lambda: with_head(Shifted(3)), None),
        (lambda: with_head(layers.Dense(3), WithSoftmax()), None),
        (lambda: with_head(layers.Dense(3, lambda x: 2 * x)), None),
    ],
)
def test_activation_is_that_of_the_output(build, activation):
    assert classifier_activation(build(), "M") == activation


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(ops.mean(x, axis=(1, 2)))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: with_head(layers.Dense(3, "sigmoid")), "sigmoid with 3 units: .*, not classes"),
        (lambda: with_head(layers.Dense(3, "relu")), "ends in relu"),
        (lambda: with_head(layers.Dense(3), layers.ReLU()), "ends in relu"),
        (lambda: with_head(layers.Dense(1)), 'one unit with linear. .*Activation."sigmoid"'),
        (lambda: with_head(layers.Dense(1, "softmax")), "one unit with softmax"),
        (lambda: with_head(layers.LayerNormalization()), "has no classifier"),
        (Subclassed, "It is a Subclassed. Make it one with .*keras.Model.image, model.image"),
        (lambda: keras.Sequential([layers.Dense(3)]), "a sequential one with an input shape"),
    ],
)
def test_other_models_are_refused(build, sentence):
    with pytest.raises(NotAClassifier, match=sentence):
        classifier_activation(build(), "M")


def test_callers_word_counts_only_where_the_model_is_silent():
    own = with_head(layers.Dense(3), WithSoftmax())
    assert classifier_activation(own, "M", "softmax") == "softmax"
    assert classifier_output_name(own, "linear") == "logits"

    with pytest.raises(ValueError, match=r'Give `classifier_activation="softmax"`'):
        classifier_output_name(own)
    with pytest.raises(ValueError, match='must be "linear", which M ends in'):
        classifier_activation(followed_by(), "M", "softmax")
    with pytest.raises(ValueError, match="one of softmax, linear, sigmoid"):
        classifier_activation(own, "M", "relu")
    with pytest.raises(NotAClassifier, match="several, not classes"):
        classifier_activation(own, "M", "sigmoid")


def test_served_files_get_the_probabilities_of_a_model_that_ends_in_an_operation(tmp_path):
    model = followed_by(lambda x: ops.softmax(5 * x))
    expected = np.sort(model.predict_on_batch(IMAGES))[:, ::-1]
    version = to_saved_model(model, tmp_path, crop=1.0, batch_sizes=())
    files = [tf.io.encode_png(image) for image in IMAGES]
    found = load_saved_model(version).runtime.signatures["serving_bytes"](image_bytes=files)

    np.testing.assert_allclose(found["scores"], expected, atol=1e-5)


@pytest.mark.slow
def test_one_sigmoid_unit_gives_both_classes_in_every_form(tmp_path):
    model = with_head(layers.Rescaling(1 / 64, -2), layers.Dense(1, "sigmoid"))
    second = model.predict_on_batch(IMAGES)
    expected = np.concatenate([1 - second, second], axis=1)
    assert expected.argmax(axis=1).any()
    model.save(tmp_path / "model.keras")
    to_saved_model(model, tmp_path / "served", labels=["cat", "dog"], batch_sizes=())
    to_tflite(model, tmp_path / "model.tflite", quantization="none", labels=["cat", "dog"])
    model.export(tmp_path / "of_keras", format="tf_saved_model", verbose=False)

    for load, name in (
        (load_keras, "model.keras"),
        (load_saved_model, "served"),
        (load_tflite, "model.tflite"),
        (load_saved_model, "of_keras"),
    ):
        classifier = load(tmp_path / name)
        assert (classifier.classes, classifier.gives_probabilities) == (2, True)
        np.testing.assert_allclose(classifier(IMAGES), expected, atol=1e-5)
    assert load_tflite(tmp_path / "model.tflite").labels == ("cat", "dog")
    assert load_saved_model(tmp_path / "served").labels == ("cat", "dog")


def test_one_score_that_is_not_a_probability_is_refused(tmp_path):
    model = with_head(layers.Dense(1))
    model.export(tmp_path / "of_keras", format="tf_saved_model", verbose=False)

    with pytest.raises(NotAClassifier, match="or one probability for two classes"):
        load_saved_model(tmp_path / "of_keras")(IMAGES)


class Calibrated(keras.Model):
    """Probabilities of a graph that ends in logits."""

    def call(self, x, training=None):
        return keras.ops.softmax(super().call(x, training=training))


def test_activation_of_a_model_with_a_call_of_its_own_is_unknown():
    model = tiny_models.pattern_classifier(activation=None)

    assert classifier_activation(model, "M") == "linear"
    assert classifier_activation(Calibrated(model.input, model.output), "M") is None


def test_scores_in_a_dict_give_a_clear_error():
    model = tiny_models.pattern_classifier()
    model = keras.Model(model.input, {"scores": model.output})

    with pytest.raises(NotAClassifier, match=r"in a dict.*model\.output\['scores'\]"):
        classifier_activation(model, "M")
