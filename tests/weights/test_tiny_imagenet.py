"""`weights="tiny_imagenet"`: the weights in the package, which have seen photographs."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_cabvit
from keras_cabvit.data import evaluation_image

PHOTOGRAPHS = Path(__file__).parents[1] / "photographs"


@pytest.fixture(scope="module")
def model():
    return keras_cabvit.CabViTH_T(weights="tiny_imagenet")


@pytest.fixture(scope="module")
def features():
    return keras_cabvit.CabViTH_T(weights="tiny_imagenet", include_top=False, pooling="avg")


def predicted(model, photograph):
    encoded = (PHOTOGRAPHS / photograph).read_bytes()
    image = evaluation_image(encoded, model.input_shape[1:3])[None]
    (best,) = keras_cabvit.decode_predictions(model(np.array(image), training=False))
    return [name for _, name, _ in best]


def test_size_and_classes_follow_from_the_weights(model):
    assert model.input_shape == (None, 64, 64, 3)
    assert model.output_shape == (None, 200)
    assert {weight.dtype for weight in model.weights} == {"float32"}


@pytest.mark.parametrize(
    ("photograph", "names"),
    [("cat.jpg", {"tabby", "Egyptian_cat"}), ("espresso.jpg", {"espresso"})],
)
def test_photographs_are_recognised(model, photograph, names):
    assert predicted(model, photograph)[0] in names


def test_photographs_are_recognised_at_another_size():
    model = keras_cabvit.CabViTH_T(weights="tiny_imagenet", input_shape=(96, 128, 3))
    assert predicted(model, "espresso.jpg")[0] == "espresso"


def test_pooled_features_are_those_that_the_classifier_reads(model, features):
    assert features.input_shape == (None, 64, 64, 3)
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    kernel, bias = model.get_layer("predictions").get_weights()
    logits = np.array(features(image)) @ kernel + bias
    expected = np.array(model(image))
    np.testing.assert_allclose(keras.ops.softmax(logits), expected, rtol=1e-4, atol=1e-6)


def test_features_at_another_size_have_the_same_kernels(features):
    resampled = keras_cabvit.CabViTH_T(
        weights="tiny_imagenet", include_top=False, pooling="avg", input_shape=(96, 64, 3)
    )
    for layer in ("stem", "stage_1_block_1"):
        for ours, theirs in zip(
            resampled.get_layer(layer).get_weights(),
            features.get_layer(layer).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_every_class_has_its_own_name():
    (everything,) = keras_cabvit.decode_predictions(np.zeros((1, 200)), top=200)
    identifiers = [identifier for identifier, _, _ in everything]
    assert identifiers == sorted(set(identifiers))
    assert len(identifiers) == 200


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"classes": 1000}, '`classes` must be 200 with weights="tiny_imagenet".*include_top=F'),
        ({"classifier_activation": "relu"}, "`classifier_activation` must be .* when `weights`"),
        (
            {"input_shape": (64, 64, 1)},
            "`input_shape` must have 3 .*include_preprocessing=F",
        ),
    ],
)
def test_incompatible_arguments_give_a_clear_error(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_cabvit.CabViTH_T(weights="tiny_imagenet", **arguments)


def test_other_variants_and_sizes_give_a_clear_error():
    with pytest.raises(ValueError, match=r"is contained only for CabViTH_T. For CabViTH_S pass"):
        keras_cabvit.CabViTH_S(weights="tiny_imagenet")
    with pytest.raises(ValueError, match="belongs to the named variants"):
        keras_cabvit.CabViTH((8, 8, 16, 16), (1, 1, 1, 1), (1, 1), weights="tiny_imagenet")


def test_error_of_missing_imagenet_weights_names_these(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_CABVIT_WEIGHTS_URL", raising=False)
    with pytest.raises(ValueError, match='CabViTH_T: weights="tiny_imagenet"'):
        keras_cabvit.CabViTH_T(weights="imagenet")
