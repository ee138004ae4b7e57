"""Every trainable weight contributes to the model."""

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import filled, images


@pytest.mark.parametrize(
    "builder", [pytest.param(tiny_models.hybrid, marks=pytest.mark.slow), tiny_models.plain]
)
def test_one_step_changes_every_trainable_weight(builder):
    # Pooled over the patches: the plain model's last enhancement does not reach the class token,
    # which its classifier reads.
    model = filled(builder(include_top=False, pooling="avg"))
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    targets = np.random.default_rng(0).standard_normal((2, model.output_shape[-1]))
    model.train_on_batch(images(model), targets)
    still = [
        weight.path
        for old, weight in zip(before, model.trainable_weights, strict=True)
        if np.array_equal(old, keras.ops.convert_to_numpy(weight))
    ]
    assert still == []
