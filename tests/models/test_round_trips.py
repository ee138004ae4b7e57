"""A model that is saved, cloned or rebuilt from its config gives identical outputs."""

import warnings

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, images, outputs

import keras_cabvit
from keras_cabvit.layers import ConvNeXtBlock


def assert_same(model, *others):
    """Compares configurations, paths and weights, and the outputs of the first of the others."""
    paths = paths_of(model)
    assert len(set(paths)) == len(paths)
    for other in others:
        assert other.to_json() == model.to_json()
        assert paths_of(other) == paths
        for found, expected in zip(other.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    inputs = images(model)
    np.testing.assert_array_equal(outputs(others[0], inputs), outputs(model, inputs))


def paths_of(model):
    return [variable.path for variable in model.weights]


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def cloned(model, folder):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def from_config(model, folder):
    other = type(model).from_config(model.get_config())
    other.set_weights(model.get_weights())
    return other


ROUND_TRIPS = [saved_and_loaded, cloned, from_config]


def test_models_with_default_arguments(tiny_model, tmp_path):
    assert_same(tiny_model, *(round_trip(tiny_model, tmp_path) for round_trip in ROUND_TRIPS))


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(tiny_models.hybrid, marks=pytest.mark.slow),
        pytest.param(tiny_models.plain, marks=pytest.mark.every_backend),
    ],
)
def test_models_with_no_default_argument(builder, tmp_path):
    model = filled(
        builder(
            max_digests=1,
            mlp_ratio=2.5,
            layer_scale_init=0.5,
            drop_rate=0.1,
            attention_drop_rate=0.2,
            drop_path_rate=0.3,
            classifier_activation=None,
            include_preprocessing=False,
            name="other",
        )
    )
    assert_same(model, *(round_trip(model, tmp_path) for round_trip in ROUND_TRIPS))


def test_weights_file(tiny_model, tmp_path):
    path = keras_cabvit.weights.save_weights(tiny_model, tmp_path / "model.weights.h5")
    other = cloned(tiny_model, tmp_path)
    filled(other, seed=1)
    keras_cabvit.weights.load_weights(other, path)
    assert_same(tiny_model, other)


@pytest.mark.parametrize("builder", [tiny_models.hybrid, tiny_models.plain])
def test_no_layer_name_depends_on_earlier_models(builder):
    names = [[layer.name for layer in builder()._flatten_layers()][1:] for _ in range(2)]
    assert names[0] == names[1]
    assert "stage_3/block_1/attention/query/kernel" in paths_of(tiny_models.hybrid())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_precision_of_every_part(tiny_model, policy, tmp_path):
    builder = tiny_models.hybrid if tiny_model.name == "cabvit_h" else tiny_models.plain
    model = builder(dtype=policy)
    expected = keras.dtype_policies.get(policy)
    exact = {"normalization", "predictions"}  # pixels and scores
    for each in (model, saved_and_loaded(model, tmp_path), cloned(model, tmp_path)):
        for layer in each._flatten_layers():
            if layer.name in exact:
                assert layer.compute_dtype == expected.variable_dtype
            elif not isinstance(layer, (keras.Model, keras.layers.InputLayer)):
                assert layer.compute_dtype == expected.compute_dtype, layer.name
                assert {weight.dtype for weight in layer.weights} <= {expected.variable_dtype}


# The parts of each family that contain dense layers, on 5x3 tokens: a stage whose second block sees
# digest tokens, and the hybrid family's other block.
QUANTISED_PARTS = {
    "hybrid": lambda: [ConvNeXtBlock(name="convnext"), tiny_models.stage(depth=2)],
    "plain": lambda: [tiny_models.stage(depth=2, position_bias=False, grid=(5, 3), norm_count=1)],
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
@pytest.mark.parametrize("family", QUANTISED_PARTS)
def test_quantised_layers(family, mode, tmp_path):
    image = x = keras.Input((5, 3, 8) if family == "hybrid" else (16, 8))
    for layer in QUANTISED_PARTS[family]():
        x = layer(x)
    model = filled(keras.Model(image, x))
    quantised = quantised_layers(model, mode)
    assert {"query", "key_value", "projection", "expand", "project"} == {*quantised}

    loaded = saved_and_loaded(model, tmp_path)
    inputs = np.random.default_rng(0).standard_normal((2, *model.input_shape[1:]))
    np.testing.assert_array_equal(outputs(loaded, inputs), outputs(model, inputs))
    assert sorted(paths_of(loaded)) == sorted(paths_of(model))
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize(
    "config",
    [
        keras.quantizers.Int8QuantizationConfig(activation_quantizer=None),
        keras.quantizers.Int4QuantizationConfig(
            block_size=-1, activation_quantizer=keras.quantizers.AbsMaxQuantizer()
        ),
        keras.quantizers.Int4QuantizationConfig(
            block_size=None,
            weight_quantizer=keras.quantizers.AbsMaxQuantizer(axis=0, value_range=(-8, 7)),
        ),
    ],
    ids=["int8", "int4", "int4 weights"],
)
def test_quantisers(config, tmp_path):
    image = keras.Input((5, 3, 8))
    x = image
    for layer in QUANTISED_PARTS["hybrid"]():
        x = layer(x)
    model = filled(keras.Model(image, x))
    quantised_layers(model, config=config)

    inputs = np.random.default_rng(0).standard_normal((2, 5, 3, 8))
    for other in (saved_and_loaded(model, tmp_path), cloned(model, tmp_path)):
        np.testing.assert_array_equal(outputs(other, inputs), outputs(model, inputs))


def quantised_layers(model, mode=None, config=None):
    """Quantises a model, and returns the names of the layers that it has quantised."""
    with warnings.catch_warnings(action="ignore"):  # about layers that cannot be quantised
        model.quantize(mode, config=config)
    return [layer.name for layer in model._flatten_layers() if layer.quantization_mode]


@pytest.mark.slow
def test_quantised_model(tmp_path):
    model = filled(tiny_models.plain(depth=1))
    names = quantised_layers(model, "int8")
    assert {"query", "key_value", "projection", "expand", "project", "predictions"} == {*names}

    loaded = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(outputs(loaded, images(model)), outputs(model, images(model)))
    assert sorted(paths_of(loaded)) == sorted(paths_of(model))
