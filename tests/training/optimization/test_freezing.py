"""Parts of a model whose weights training leaves as they are."""

import dataclasses

import keras
import numpy as np
from tiny_runs import RECIPE
from two_layers import replace_models

from training.optimization.compiled_model import compiled_model
from training.recipes.model import build_model


def test_frozen_weights_keep_their_bits_and_have_no_moments(monkeypatch):
    replace_models(monkeypatch)
    # Of 0.9 and 0.1, unlike halves, the weighted mean of a number and itself is rounded.
    optimization = dataclasses.replace(
        RECIPE.optimization, average_momentum=0.9, warmup_epochs=0, weight_decay=0.5
    )
    recipe = dataclasses.replace(RECIPE, optimization=optimization, freeze=("stem", "norm"))
    model = compiled_model(build_model(recipe.model, 2), recipe, steps=3, jit_compile=False)
    frozen = [weight for name in recipe.freeze for weight in model.get_layer(name).weights]
    rng = np.random.default_rng(0)
    for weight in frozen:
        weight.assign(np.abs(rng.standard_normal(weight.shape)) + 0.1)
    model.reset_averages()
    before = [np.array(weight) for weight in model.averaged_weights]
    images, labels = rng.uniform(0, 255, (24, 32, 32, 3)), np.eye(2)[rng.integers(0, 2, 24)]
    model.fit(images.astype("float32"), labels, batch_size=8, epochs=2, verbose=0)

    still = {id(weight) for weight in frozen}
    for weight, average, value in zip(model.averaged_weights, model.averages, before, strict=True):
        for now in map(keras.ops.convert_to_numpy, (weight, average)):
            assert np.array_equal(now, value) == (id(weight) in still)
    # Two moments of the kernel and bias of the classifier, the step and the learning rate.
    moments = [each for each in model.optimizer.variables if each.path.count("predictions")]
    assert len(moments) == 4
    assert not [each for each in model.optimizer.variables if "stem" in each.path]
