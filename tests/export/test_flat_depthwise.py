"""The sum of flat convolutions equals one convolution with a large kernel."""

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, outputs

from keras_cabvit.export.tflite.conversion import TFLITE_CLASSES
from keras_cabvit.export.tflite.flat_depthwise import FlatDepthwiseConv2D
from keras_cabvit.inference import fuse
from keras_cabvit.layers import PaddedDepthwiseConv2D


@pytest.mark.parametrize(
    ("options", "kernel_size", "grid"),
    [
        ({"strides": 4, "use_bias": False}, 7, (14, 10)),
        ({"strides": 4, "use_bias": False}, 7, (2, 3)),
        ({"activation": "gelu"}, 7, (14, 10)),
        ({"dilation_rate": 2}, 7, (14, 10)),
        ({"dilation_rate": 2}, 5, (6, 7)),
        ({"depth_multiplier": 2}, 7, (14, 10)),
        *(({"strides": 1}, *size) for size in [(7, (14, 10)), (7, (2, 3)), (7, (1, 1))]),
        *(({"strides": 1}, *size) for size in [(5, (6, 7)), (3, (6, 7))]),
    ],
    ids=str,
)
def test_layer(options, kernel_size, grid):
    layer = PaddedDepthwiseConv2D(kernel_size, **options)
    inputs = np.random.default_rng(0).standard_normal((2, *grid, 6)).astype("float32")
    expected = outputs(filled_for(layer, inputs), inputs)
    flat = FlatDepthwiseConv2D.from_config(layer.get_config())
    flat.build(inputs.shape)
    flat.set_weights(layer.get_weights())
    found = outputs(flat, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert flat.compute_output_shape(inputs.shape) == found.shape


def filled_for(layer, inputs):
    layer.build(inputs.shape)
    return filled(layer)


@pytest.mark.parametrize(
    "builder", [pytest.param(tiny_models.hybrid, marks=pytest.mark.slow), tiny_models.plain]
)
def test_model(builder):
    model = filled(builder(classifier_activation=None))
    images = tiny_models.images(model)
    fused = fuse(model, inference_classes=TFLITE_CLASSES)

    np.testing.assert_allclose(outputs(fused, images), outputs(model, images), atol=1e-5)
    kernels = {
        (type(layer).__name__, layer.kernel_size)
        for layer in fused._flatten_layers()
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    }
    assert {kind for kind, _ in kernels} == {"FlatDepthwiseConv2D"}
