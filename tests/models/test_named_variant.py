"""A named variant, at its real depth and width, is saved, reloaded and exported unchanged."""

import keras
import numpy as np
import pytest
from tiny_models import filled, images, outputs

from keras_cabvit import CabViTH_T
from keras_cabvit.export import to_tflite
from keras_cabvit.runtimes import open_model


@pytest.mark.slow
def test_named_variant_gives_the_same_in_keras_and_tflite_files(tmp_path):
    model = filled(CabViTH_T(input_shape=(64, 64, 3), classes=3))
    pixels = images(model, batch=1).astype("uint8")
    expected = outputs(model, pixels)
    assert expected.max() < 0.99

    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(reloaded, pixels), expected)

    to_tflite(model, tmp_path / "model.tflite", quantization="none")
    found = open_model(tmp_path / "model.tflite").predict(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-4)
