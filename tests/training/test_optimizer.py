import keras
import numpy as np
import tiny_models

from training.optimizer import make_optimizer
from training.recipes.recipe import Recipe

RECIPE = Recipe(
    model={}, epochs=4, batch_size=2, learning_rate=1e-2, warmup_epochs=1, weight_decay=0.5
)


def changed_without_gradient(model):
    """Returns the names of the layers' weights that a step with zero gradients changes."""
    optimizer = make_optimizer(model, RECIPE, steps_per_epoch=10)
    optimizer.build(model.trainable_variables)
    zeros = [keras.ops.zeros(variable.shape) for variable in model.trainable_variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    optimizer.apply(zeros)  # the schedule's first step has rate 0
    optimizer.apply(zeros)
    return {
        variable.path.rsplit("/")[-1]
        for variable, old in zip(model.trainable_variables, before, strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(variable), old)
    }


def test_matrices_and_position_tables_of_the_hybrid_decay_and_nothing_else():
    model = tiny_models.filled(tiny_models.hybrid())

    assert changed_without_gradient(model) == {
        "kernel",
        "position_bias",
        "digest_bias",
        "digest_scale",
    }


def test_class_token_and_positions_of_the_plain_model_do_not_decay():
    model = tiny_models.filled(tiny_models.plain())

    assert changed_without_gradient(model) == {"kernel", "digest_bias", "digest_scale"}


def test_learning_rate_rises_linearly_and_falls_as_a_cosine():
    schedule = make_optimizer(tiny_models.plain(), RECIPE, steps_per_epoch=10)._learning_rate
    rates = [float(schedule(step)) for step in (0, 5, 10, 25, 40)]

    np.testing.assert_allclose(
        rates, [0, 5e-3, 1e-2, (1e-2 + 1e-6) / 2, 1e-6], rtol=1e-4, atol=1e-9
    )


def test_epsilon_is_small_enough_for_gradients_behind_layer_scale():
    assert make_optimizer(tiny_models.plain(), RECIPE, steps_per_epoch=10).epsilon == 1e-8
