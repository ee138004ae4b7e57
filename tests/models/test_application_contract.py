"""The models take the arguments of `keras.applications`, and each has its documented effect."""

import inspect

import keras
import numpy as np
import pytest
import tiny_models
from numpy.testing import assert_allclose, assert_array_equal
from tiny_models import images, outputs, with_weights_of

import keras_cabvit

BUILDERS = {"tiny_hybrid": tiny_models.hybrid, "tiny_plain": tiny_models.plain}


@pytest.fixture(params=[pytest.param("tiny_hybrid", marks=pytest.mark.slow), "tiny_plain"])
def family(request):
    """The builder of a tiny model, and a model that it built, with random weights."""
    return BUILDERS[request.param], request.getfixturevalue(request.param)


@pytest.mark.parametrize("variant", keras_cabvit.list_models())
def test_variants_take_the_arguments_of_keras_applications(variant):
    ours = inspect.signature(getattr(keras_cabvit, variant)).parameters
    theirs = inspect.signature(keras.applications.ConvNeXtTiny).parameters
    # No ImageNet weights are published; None is 1,000 classes, or those of the weights.
    own_defaults = {"weights": None, "classes": None, "name": variant}
    for argument, parameter in theirs.items():
        assert ours[argument].default == own_defaults.get(argument, parameter.default)
    assert set(ours) - set(theirs) == {"drop_path_rate", "windowed"}


# The tests of pooling below compare the shapes with pooling.
@pytest.mark.parametrize(
    ("builder", "arguments", "shape"),
    [
        pytest.param(
            *(tiny_models.hybrid, {"include_top": False, "input_shape": (64, 96, 3)}),
            (None, 2, 3, 64),
            marks=pytest.mark.slow,
        ),
        (tiny_models.plain, {"include_top": False, "input_shape": (40, 16, 3)}, (None, 11, 24)),
    ],
)
def test_output_shape(builder, arguments, shape):
    model = builder(**arguments)
    assert model.output_shape == shape
    assert outputs(model, images(model)).shape == (2, *shape[1:])


def test_images_need_not_be_square(family):
    builder, _ = family
    model = builder(input_shape=(160, 96, 3))
    assert model.output_shape == (None, 5)
    assert outputs(model, images(model)).shape == (2, 5)


def test_classifier_activation(family):
    builder, model = family
    logits = outputs(with_weights_of(model, builder(classifier_activation=None)), images(model))
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert_allclose(outputs(model, images(model)), probabilities, atol=1e-6)


def head_norm(model, x):
    """The model's own last LayerNorm, in numpy."""
    gamma, beta = model.get_layer("head_norm").get_weights()
    epsilon = 1e-5 if "stem" in [layer.name for layer in model.layers] else 1e-6
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * gamma + beta


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "pooled"), [("avg", np.mean), ("max", np.max)])
def test_pooling_of_the_hybrid_model(tiny_hybrid, pooling, pooled):
    """Pooling over the map, then the head's norm."""
    inputs = images(tiny_hybrid)
    features = with_weights_of(tiny_hybrid, tiny_models.hybrid(include_top=False))
    model = with_weights_of(tiny_hybrid, tiny_models.hybrid(include_top=False, pooling=pooling))
    assert model.output_shape == (None, 64)
    expected = head_norm(tiny_hybrid, pooled(outputs(features, inputs), axis=(1, 2)))
    assert_allclose(outputs(model, inputs), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "pooled"),
    [
        ("avg", lambda tokens: tokens[:, 1:].mean(axis=1)),
        ("max", lambda tokens: tokens[:, 1:].max(axis=1)),
        ("token", lambda tokens: tokens[:, 0]),
    ],
)
def test_pooling_of_the_plain_model(tiny_plain, pooling, pooled):
    """Pooling over the normalised patch tokens, or the class token alone."""
    inputs = images(tiny_plain)
    features = with_weights_of(tiny_plain, tiny_models.plain(include_top=False))
    model = with_weights_of(tiny_plain, tiny_models.plain(include_top=False, pooling=pooling))
    assert model.output_shape == (None, 24)
    expected = pooled(outputs(features, inputs))
    assert_allclose(outputs(model, inputs), expected, atol=1e-5)


def test_classifier_reads_the_pooled_features(tiny_model):
    """The average of the hybrid model, the class token of the plain one."""
    inputs = images(tiny_model)
    is_hybrid = tiny_model.name == "cabvit_h"
    builder = tiny_models.hybrid if is_hybrid else tiny_models.plain
    features = builder(include_top=False, pooling="avg" if is_hybrid else "token")
    x = outputs(with_weights_of(tiny_model, features), inputs)
    kernel, bias = tiny_model.get_layer("predictions").get_weights()
    exponentials = np.exp(x @ kernel + bias)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert_allclose(outputs(tiny_model, inputs), expected, atol=1e-5)


def test_include_preprocessing_is_the_normalisation_of_imagenet(family):
    builder, model = family
    normalised = with_weights_of(model, builder(include_preprocessing=False))
    pixels = images(model)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = outputs(normalised, ((pixels / 255 - mean) / std).astype("float32"))
    assert_allclose(outputs(model, pixels), expected, atol=1e-5)
    assert keras_cabvit.preprocess_input(pixels) is pixels


def assert_uint8_and_float_pixels_give_the_same(builder, model):
    pixels = images(model).astype("uint8")
    expected = outputs(model, pixels.astype("float32"))
    assert_array_equal(outputs(model, pixels), expected)
    input_tensor = keras.Input(model.input_shape[1:], dtype="uint8")
    on_bytes = with_weights_of(model, builder(input_tensor=input_tensor, input_shape=None))
    assert_array_equal(outputs(on_bytes, pixels), expected)


@pytest.mark.every_backend
def test_uint8_and_float_pixels_give_the_same(tiny_plain):
    assert_uint8_and_float_pixels_give_the_same(tiny_models.plain, tiny_plain)


@pytest.mark.slow
def test_uint8_and_float_pixels_give_the_same_to_a_hybrid_model(tiny_hybrid):
    assert_uint8_and_float_pixels_give_the_same(tiny_models.hybrid, tiny_hybrid)


def test_input_is_one_tensor(family):
    builder, model = family
    assert isinstance(model.input, keras.KerasTensor)
    tensor = keras.Input(model.input_shape[1:])
    assert builder(input_tensor=tensor, input_shape=None).input is tensor


def test_input_tensor_may_be_the_output_of_a_layer(family):
    builder, model = family
    inputs = keras.Input(model.input_shape[1:])
    on_fractions = builder(input_tensor=keras.layers.Rescaling(255.0)(inputs), input_shape=None)
    assert on_fractions.input is inputs
    with_weights_of(model, on_fractions)
    pixels = images(model)
    assert_allclose(outputs(on_fractions, pixels / 255), outputs(model, pixels), atol=1e-5)


def test_other_channels_without_preprocessing(family):
    builder, _ = family
    model = builder(input_shape=(64, 64, 4), include_preprocessing=False)
    assert outputs(model, images(model)).shape == (2, 5)


def test_channels_stay_last_regardless_of_the_keras_setting(family, restored_settings):
    builder, model = family
    keras.config.set_image_data_format("channels_first")
    same = with_weights_of(model, builder())
    assert_array_equal(outputs(same, images(model)), outputs(model, images(model)))


def test_weights_file_with_the_classifier_fits_a_model_without(family, tmp_path):
    builder, model = family
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)  # Keras' own method
    without = builder(weights=str(path), include_top=False)
    expected = {weight.path: weight for weight in model.weights}
    assert len(without.weights) > 0.9 * len(expected)
    for weight in without.weights:
        assert_array_equal(weight, expected[weight.path])


@pytest.mark.slow
@pytest.mark.parametrize("rate", [None, 0.3])
def test_stochastic_depth_rises_linearly_over_all_blocks(rate):
    # CabViTH_S has 13 blocks and a rate of 0.1 unless another is requested.
    with keras.StatelessScope(initialize_variables=False):  # rates need no weights
        model = keras_cabvit.CabViTH_S(input_shape=(32, 32, 3), classes=5, drop_path_rate=rate)
    rates = [
        model.get_layer(f"stage_{stage}_block_{index}").channel_mixing.drop_path.rate
        for stage in (0, 1)
        for index in (0, 1)
    ]
    for stage in (2, 3):
        for block in model.get_layer(f"stage_{stage}").blocks:
            branches = (block.attention.drop_path.rate, block.channel_mixing.drop_path.rate)
            assert branches[0] == branches[1]
            rates.append(branches[0])
    last = 0.1 if rate is None else rate
    assert_allclose(rates, [last * index / 12 for index in range(13)])


def test_stochastic_depth_of_the_plain_model():
    model = tiny_models.plain(drop_path_rate=0.2)
    rates = [block.attention.drop_path.rate for block in model.get_layer("stage").blocks]
    assert_allclose(rates, [0.0, 0.1, 0.2])


@pytest.mark.parametrize("argument", ["drop_rate", "attention_drop_rate", "drop_path_rate"])
def test_dropout_changes_training_but_not_inference(family, argument):
    builder, model = family
    dropping = with_weights_of(model, builder(**{argument: 0.5}))
    for layer in dropping.layers:  # the batch's statistics would change the output as well
        for part in layer._flatten_layers():
            if isinstance(part, keras.layers.BatchNormalization):
                part.trainable = False
    inputs = images(model)
    expected = outputs(model, inputs)
    assert_allclose(outputs(dropping, inputs), expected, atol=1e-6)
    assert np.abs(outputs(dropping, inputs, training=True) - expected).max() > 1e-3


def test_max_digests_of_the_builders():
    hybrid = tiny_models.hybrid(max_digests=1).get_layer("stage_2")
    plain = tiny_models.plain(max_digests=0).get_layer("stage")
    assert [block.attention.digest_blocks for block in hybrid.blocks] == [0, 1, 1]
    assert [block.attention.digest_blocks for block in plain.blocks] == [0, 0, 0]


def test_mlp_ratio_and_layer_scale_of_the_builders():
    mixing = tiny_models.hybrid(mlp_ratio=2, layer_scale_init=0.1).get_layer("stage_2").blocks[0]
    assert mixing.channel_mixing.expand.units == 2 * 32
    assert_allclose(mixing.channel_mixing.layer_scale.get_weights()[0], 0.1)
    block = tiny_models.plain(mlp_ratio=3).get_layer("stage").blocks[0]
    assert block.channel_mixing.expand.units == 3 * 24
    assert block.channel_mixing.layer_scale is None
    without = tiny_models.hybrid(layer_scale_init=None).get_layer("stage_0_block_0")
    assert without.channel_mixing.layer_scale is None


def test_epsilon_of_every_layer_norm(tiny_hybrid, tiny_plain):
    def epsilons(model):
        found = {}
        for owner in model.layers:
            for layer in owner._flatten_layers():
                if isinstance(layer, keras.layers.LayerNormalization):
                    found.setdefault(owner.name, set()).add(layer.epsilon)
        return found

    assert epsilons(tiny_hybrid) == {
        "stage_0_block_0": {1e-6},
        "stage_1_block_0": {1e-6},
        "stage_2": {1e-5},
        "stage_3": {1e-5},
        "head_norm": {1e-5},
    }
    assert epsilons(tiny_plain) == {"stage": {1e-6}, "head_norm": {1e-6}}
