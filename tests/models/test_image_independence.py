"""The memory of digest tokens belongs to one image and one call."""

import numpy as np
from tiny_models import images, outputs


def test_an_image_does_not_affect_the_others(tiny_model):
    inputs = images(tiny_model, batch=3)
    before = outputs(tiny_model, inputs)
    inputs[1] = 255 - inputs[1]
    after = outputs(tiny_model, inputs)
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_a_call_does_not_affect_the_next(tiny_model):
    inputs = images(tiny_model, batch=3)
    before = outputs(tiny_model, inputs)
    outputs(tiny_model, 255 - inputs)
    np.testing.assert_array_equal(outputs(tiny_model, inputs), before)


def test_inference_does_not_change_the_weights(tiny_model):
    before = tiny_model.get_weights()
    outputs(tiny_model, images(tiny_model))
    for old, new in zip(before, tiny_model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
