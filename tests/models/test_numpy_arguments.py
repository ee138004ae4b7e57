"""NumPy numbers as arguments are taken as Python's; booleans are no numbers."""

import json

import numpy as np
import pytest
import tiny_models

import keras_cabvit
from keras_cabvit import layers

EIGHT, THREE, TWO, ONE = np.int64(8), np.uint8(3), np.int32(2), np.int16(1)
HALF = np.float32(0.5)


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [
        (
            tiny_models.hybrid,
            {
                "embed_dims": tuple(np.array([8, 16, 32, 64])),
                "depths": list(np.array([1, 1, 2, 1])),
                "num_heads": (TWO, np.int64(4)),
                "max_digests": np.int64(1),
                "mlp_ratio": HALF,
                "drop_path_rate": HALF,
                "input_shape": (np.int64(32), np.int64(64), THREE),
                "classes": np.int64(10),
            },
        ),
        (
            tiny_models.plain,
            {
                "embed_dim": np.int64(24),
                "depth": TWO,
                "num_heads": THREE,
                "patch_size": EIGHT,
                "layer_scale_init": HALF,
                "drop_rate": np.float64(0.5),
                "input_shape": [np.int64(16), 24, 3],
                "classes": np.uint16(10),
            },
        ),
    ],
)
def test_model_is_the_same_as_with_pythons_numbers(builder, arguments):
    python = {
        name: type(value)(each.item() if isinstance(each, np.generic) else each for each in value)
        if isinstance(value, (tuple, list))
        else value.item()
        for name, value in arguments.items()
    }
    model = builder(**arguments)
    configs = [
        json.dumps([layer.get_config() for layer in each.layers if layer.weights])
        for each in (model, builder(**python))
    ]
    assert configs[0] == configs[1]
    assert model.output_shape == (None, 10)


def test_named_variant_takes_numpys_integers():
    model = keras_cabvit.CabViTH_T(input_shape=(np.int64(32), 32, 3), classes=np.int64(10))
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.CrossBlockAttention(TWO, drop_rate=HALF, epsilon=HALF, grid=(EIGHT, THREE)),
        lambda: layers.ChannelMixing(mlp_ratio=TWO, norm_count=ONE, layer_scale_init=HALF),
        lambda: layers.ConvNeXtBlock(mlp_ratio=HALF, drop_path_rate=HALF),
        lambda: layers.ConvolutionalStem(EIGHT),
        lambda: layers.ConvolutionNorm(EIGHT, THREE, strides=TWO),
        lambda: layers.DropPath(HALF, seed=ONE),
        lambda: layers.LayerScale(HALF),
        lambda: layers.PaddedConv2D(EIGHT, THREE, strides=(TWO, ONE)),
        lambda: layers.PaddedDepthwiseConv2D(THREE, strides=TWO),
        lambda: layers.PatchEmbedding(EIGHT, patch_size=TWO),
        lambda: layers.PatchMerging(EIGHT),
        lambda: layers.TokenMergeEnhancement(grid=[EIGHT, THREE], merge=np.True_),
        lambda: layers.CabViTStage([tiny_models.block(merge=False)], TWO, window=EIGHT),
    ],
)
def test_config_of_a_layer_is_json(layer):
    config = layer().get_config()
    json.dumps(config)  # refuses NumPy's numbers


@pytest.mark.parametrize("value", [True, np.True_])
def test_booleans_are_no_integers(value):
    with pytest.raises(ValueError, match=r"`classes` must be a positive `int`.*True"):
        keras_cabvit.CabViTH_T(classes=value)
    with pytest.raises(ValueError, match="`window` must be a positive number of tokens"):
        layers.CabViTStage([tiny_models.block(merge=False)], window=value)
    with pytest.raises(ValueError, match=r"`grid` must be \(height, width\), both positive int"):
        layers.CrossBlockAttention(2, grid=(value, 5))
