"""Every public layer passes the test that Keras gives its own layers."""

import inspect

import keras
import numpy as np
import pytest
import tiny_models
from keras.src.testing import TestCase

from keras_cabvit import layers

MAP = (2, 5, 4, 8)
TOKENS = (2, 1 + 5 * 4, 8)
ON_TOKENS = {"position_bias": False, "grid": (5, 4)}

# (layer, constructor's arguments, shape of the input, shapes of the outputs)
CASES = [
    ("ChannelMixing", {"norm_count": 2, "drop_rate": 0.1}, MAP, MAP),
    ("ConvNeXtBlock", {"drop_path_rate": 0.1}, MAP, MAP),
    ("ConvolutionNorm", {"filters": 6, "kernel_size": 3, "strides": 2}, MAP, (2, 3, 2, 6)),
    ("ConvolutionNorm", {"filters": None, "kernel_size": 3}, MAP, MAP),
    ("ConvolutionalStem", {"filters": 6}, (2, 9, 8, 3), (2, 3, 2, 6)),
    ("CrossBlockAttention", {"num_heads": 2}, MAP, MAP),
    (
        "CrossBlockAttention",
        {"num_heads": 2, "attention_drop_rate": 0.1, **ON_TOKENS},
        TOKENS,
        TOKENS,
    ),
    ("DropPath", {"rate": 0.5}, MAP, MAP),
    ("LayerScale", {"initial_value": 0.5}, MAP, MAP),
    ("PaddedConv2D", {"filters": 6, "kernel_size": 3, "strides": 2}, MAP, (2, 3, 2, 6)),
    ("PaddedDepthwiseConv2D", {"kernel_size": 7, "strides": 4}, MAP, (2, 2, 1, 8)),
    ("PatchEmbedding", {"embed_dim": 6, "patch_size": 4}, (2, 8, 12, 3), (2, 7, 6)),
    ("PatchMerging", {"filters": 6}, MAP, (2, 3, 2, 6)),
    ("TokenMergeEnhancement", {}, MAP, (MAP, (2, 2, 8))),
    ("TokenMergeEnhancement", {"merge": False}, MAP, MAP),
    ("TokenMergeEnhancement", {"grid": (5, 4)}, TOKENS, (TOKENS, (2, 2, 8))),
]

# JAX would compile a training step per layer, and each operation in half precision;
# tests/models/test_mixed_precision.py trains models of all these layers there in half precision.
TRAINS = keras.config.backend() != "jax"

# The same, with digest tokens of three blocks as a second input.
DIGESTS = (2, 3 * 2, 8)
CASES_WITH_DIGESTS = [
    ("CrossBlockAttention", {"num_heads": 2}, MAP, MAP),
    ("CrossBlockAttention", {"num_heads": 2, **ON_TOKENS}, TOKENS, TOKENS),
]


# Layers that take their parts as arguments: Keras' test would give the same parts to several
# layers.
COMPOSITES = {
    "CabViTBlock": lambda **options: tiny_models.block(merge=False, **options),
    "CabViTStage": lambda **options: tiny_models.stage(depth=2, drop_path_rate=0.1, **options),
}


def identifiers(cases):
    return [f"{name}-{len(shape)}d-{index}" for index, (name, _, shape, _) in enumerate(cases)]


@pytest.mark.every_backend
@pytest.mark.parametrize(("name", "arguments", "shape", "expected"), CASES, ids=identifiers(CASES))
def test_layer(name, arguments, shape, expected):
    TestCase().run_layer_test(
        getattr(layers, name),
        arguments,
        input_shape=shape,
        expected_output_shape=expected,
        run_training_check=TRAINS,
        run_mixed_precision_check=TRAINS,
    )


@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("name", "arguments", "shape", "expected"),
    CASES_WITH_DIGESTS,
    ids=identifiers(CASES_WITH_DIGESTS),
)
def test_layer_with_digests(name, arguments, shape, expected):
    layer_class = getattr(layers, name)
    TestCase().run_layer_test(
        layer_class,
        arguments,
        input_shape={"inputs_shape": shape, "digests_shape": DIGESTS},
        expected_output_shape=expected,
        run_training_check=False,  # which calls the layer with one argument
        run_mixed_precision_check=TRAINS,
    )
    if not TRAINS:
        return
    inputs = [keras.Input(shape[1:]), keras.Input(DIGESTS[1:])]
    outputs = keras.tree.flatten(layer_class(**arguments)(*inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["mse"] * len(outputs))
    targets = [np.zeros((shape[0], *output.shape[1:])) for output in outputs]
    loss = model.train_on_batch([np.ones(shape), np.ones(DIGESTS)], targets)
    assert np.all(np.isfinite(loss))


@pytest.mark.parametrize(("name", "arguments", "shape", "_"), CASES, ids=identifiers(CASES))
def test_building_a_layer_builds_all_of_its_parts(name, arguments, shape, _):
    # Otherwise Keras runs a whole batch eagerly before the first predict or fit on JAX.
    layer = getattr(layers, name)(**arguments)
    layer.build(shape)
    assert [part.name for part in layer._flatten_layers() if not part.built] == []


@pytest.mark.every_backend
@pytest.mark.parametrize("shape", [MAP, TOKENS], ids=["map", "tokens"])
@pytest.mark.parametrize("name", COMPOSITES)
def test_composite(name, shape):
    layer = COMPOSITES[name](**(ON_TOKENS if shape is TOKENS else {}))
    layer_class = type(layer)
    TestCase().run_class_serialization_test(layer)
    copy = layer_class.from_config(layer.get_config())
    assert copy.name == layer.name

    inputs = keras.Input(shape[1:])
    outputs = layer(inputs)
    assert [part.name for part in layer._flatten_layers() if not part.built] == []
    assert outputs.shape == (None, *shape[1:])
    if TRAINS:
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "mse")
        assert np.isfinite(model.train_on_batch(np.ones(shape), np.zeros(shape)))


def test_every_public_layer_is_tested():
    public = {
        name for name in layers.__all__ if issubclass(getattr(layers, name), keras.layers.Layer)
    }
    assert {name for name, *_ in CASES} | set(COMPOSITES) == public
    takes_digests = {
        name
        for name in public
        if "digests" in inspect.signature(getattr(layers, name).call).parameters
    }
    assert {name for name, *_ in CASES_WITH_DIGESTS} | {"CabViTBlock"} == takes_digests


def test_initializer():
    TestCase().run_class_serialization_test(layers.DepthwiseFanInUniform(seed=3))
    TestCase().run_class_serialization_test(layers.DepthwiseFanInUniform())


@pytest.mark.parametrize("name", layers.__all__)
def test_is_registered_for_saving(name):
    # Saved models refer to layers by this name: changing it would make old files unreadable.
    registered = keras.saving.get_registered_object(f"keras_cabvit>{name}")
    assert registered is getattr(layers, name)
