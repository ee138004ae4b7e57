"""`FusedLayerNormalization` passes the test that Keras gives its own layers."""

import numpy as np
import pytest
from keras.src.testing import TestCase
from tiny_models import filled, outputs

from keras_cabvit.inference import FusedLayerNormalization

pytestmark = pytest.mark.every_backend


def test_layer():
    TestCase().run_layer_test(
        FusedLayerNormalization, {}, input_shape=(2, 5, 4, 8), expected_output_shape=(2, 5, 4, 8)
    )


def test_token_factors_equal_scaled_inputs():
    layer = FusedLayerNormalization(epsilon=0.1)
    inputs = np.random.default_rng(0).standard_normal((2, 4, 8)).astype("float32")
    layer.build(inputs.shape)
    filled(layer)
    factors = np.array([0.5, -2.0, 1e-3, 0.0], "float32").reshape(1, 4, 1)
    found = outputs(lambda x, training: layer(x, token_scale=factors), inputs)
    np.testing.assert_allclose(found, outputs(layer, inputs * factors), atol=1e-5)
