"""The forms of layers that only some runtimes want, all made of the same trained layers."""

import warnings

import numpy as np
import pytest
import tiny_models

from keras_cabvit.export.onnx.conversion import ONNX_CLASSES
from keras_cabvit.export.saved_model.forms import (
    BFLOAT16_CLASSES,
    FLOAT32_CLASSES,
    FROZEN_FLOAT32_CLASSES,
)
from keras_cabvit.export.tflite.conversion import TFLITE_CLASSES
from keras_cabvit.inference import fuse

FORMS = {
    "SavedModel": FLOAT32_CLASSES,
    "frozen": FROZEN_FLOAT32_CLASSES,
    "bfloat16": BFLOAT16_CLASSES,
    "ONNX": ONNX_CLASSES,
    "TFLite": TFLITE_CLASSES,
}


@pytest.fixture(scope="module")
def quantised():
    model = tiny_models.filled(tiny_models.two_blocks())
    with warnings.catch_warnings(action="ignore"):  # about layers that cannot be quantised
        model.quantize("int8")
    return model


@pytest.mark.parametrize("classes", FORMS.values(), ids=FORMS)
def test_every_form_has_the_weights_of_a_quantised_model(quantised, classes):
    inputs = np.random.default_rng(0).standard_normal((4, 5, 3, 8)).astype("float32")
    expected = tiny_models.outputs(fuse(quantised), inputs)
    found = tiny_models.outputs(fuse(quantised, inference_classes=classes), inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
