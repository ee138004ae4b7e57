import keras
import numpy as np
import pytest
import tiny_models

from training.optimization.optimizer import (
    LayerwiseAdamW,
    check_final_learning_rate,
    learning_rate_schedule,
    make_optimizer,
)
from training.recipes.recipe import ModelOptions, Optimization, Recipe


def recipe(epochs=4, batch_size=2, **options):
    options = {"learning_rate": 1e-2, "warmup_epochs": 1, "weight_decay": 0.5} | options
    return Recipe(
        ModelOptions("CabViTH"), Optimization(**options), epochs=epochs, batch_size=batch_size
    )


def changes_without_gradient(model, options):
    """Returns the relative change of each weight in a step with zero gradients."""
    optimizer = make_optimizer(model, options, steps_per_epoch=10)
    optimizer.build(model.trainable_variables)
    zeros = [keras.ops.zeros(variable.shape) for variable in model.trainable_variables]
    before = [np.array(variable) for variable in model.trainable_variables]
    optimizer.apply(zeros)  # the first step of the schedule has a rate of 0
    optimizer.apply(zeros)
    return {
        variable.path: float(np.abs(np.array(variable) - old).max() / np.abs(old).max())
        for variable, old in zip(model.trainable_variables, before, strict=True)
    }


def decaying(model):
    changes = changes_without_gradient(model, recipe())
    return {path.rsplit("/")[-1] for path, change in changes.items() if change}


def test_matrices_and_position_tables_of_the_hybrid_decay_and_nothing_else():
    model = tiny_models.filled(tiny_models.hybrid())

    assert decaying(model) == {"kernel", "position_bias", "digest_bias", "digest_scale"}


def test_class_token_and_positions_of_the_plain_model_do_not_decay():
    model = tiny_models.filled(tiny_models.plain())

    assert decaying(model) == {"kernel", "digest_bias", "digest_scale"}


def test_learning_rate_rises_linearly_and_falls_as_a_cosine():
    schedule = learning_rate_schedule(recipe(), steps_per_epoch=10)
    rates = [float(schedule(step)) for step in (0, 5, 10, 25, 40)]

    np.testing.assert_allclose(
        rates, [0, 5e-3, 1e-2, (1e-2 + 1e-6) / 2, 1e-6], rtol=1e-4, atol=1e-9
    )


@pytest.mark.parametrize(("accumulation_steps", "peak"), [(1, 2.5e-3), (4, 1e-2)])
def test_learning_rate_grows_with_the_images_of_a_change(accumulation_steps, peak):
    options = recipe(
        batch_size=256, learning_rate_batch=1024, accumulation_steps=accumulation_steps
    )
    schedule = learning_rate_schedule(options, steps_per_epoch=10)

    assert float(schedule(10)) == pytest.approx(peak)


def test_constant_learning_rate_is_not_refused_by_rounding():
    options = {"learning_rate": 1e-3, "learning_rate_batch": 100, "final_learning_rate": 9e-5}
    assert 1e-3 * (9 / 100) < 9e-5
    check_final_learning_rate(recipe(batch_size=9, **options))
    with pytest.raises(ValueError, match=r"must be at most 8e-05, .* Received: 9e-05"):
        check_final_learning_rate(recipe(batch_size=8, **options))


def test_epsilon_is_small_enough_for_gradients_before_layer_scale():
    assert make_optimizer(tiny_models.plain(), recipe(), steps_per_epoch=10).epsilon == 1e-8


def test_settings_of_the_recipe_reach_the_optimizer():
    settings = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-7}
    others = {"clip_norm": 0.5, "weight_decay": 0.2, "accumulation_steps": 3}
    optimizer = make_optimizer(tiny_models.plain(), recipe(**settings, **others), 10)

    assert {name: getattr(optimizer, name) for name in settings} == settings
    assert optimizer.global_clipnorm == 0.5
    assert optimizer.decay == 0.2
    assert optimizer.gradient_accumulation_steps == 3


def gradients(steps):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((3, 4)).astype("float32") for _ in range(steps)]


def after(optimizer, steps):
    """Returns the value of a variable after some steps."""
    variable = keras.Variable(np.linspace(-1, 1, 12).reshape(3, 4), dtype="float32")
    optimizer.build([variable])
    for gradient in steps:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return keras.ops.convert_to_numpy(variable)


@pytest.mark.every_backend
def test_equals_keras_adamw_without_the_additions():
    settings = {"beta_2": 0.99, "epsilon": 1e-8, "global_clipnorm": 1.0}
    expected = after(keras.optimizers.AdamW(1e-2, weight_decay=0.3, **settings), gradients(5))
    actual = after(LayerwiseAdamW(1e-2, decay=0.3, **settings), gradients(5))

    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.every_backend
def test_accumulated_gradients_change_weights_as_their_mean_does():
    steps = gradients(6)
    means = [np.mean(steps[start : start + 3], axis=0) for start in (0, 3)]
    expected = after(LayerwiseAdamW(1e-2, decay=0.3), means)
    actual = after(LayerwiseAdamW(1e-2, decay=0.3, gradient_accumulation_steps=3), steps)

    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_rates_fall_from_block_to_block_towards_the_stem():
    model = tiny_models.filled(tiny_models.hybrid())  # 1 + 1 + 3 + 2 blocks
    changes = changes_without_gradient(model, recipe(layer_decay=0.5))
    # Weight decay changes a weight by rate * 0.5, and the rate of this step is 1e-3.
    factors = {path: change / (1e-3 * 0.5) for path, change in changes.items() if change}

    def of(start):
        found = {round(np.log2(factors[path])) for path in factors if path.startswith(start)}
        assert len(found) == 1, found
        return -found.pop()

    last, before_last = (block.name for block in model.get_layer("stage_3").blocks[::-1])
    assert of("predictions") == 0
    assert of(f"stage_3/{last}") == 1
    assert of(f"stage_3/{before_last}") == of("merging_3") == 2
    assert [
        of(f"stage_2/{block.name}") for block in model.get_layer("stage_2").blocks
    ] == [5, 4, 3]  # fmt: skip
    assert of("stage_1_block_0") == of("merging_1") == 6
    assert of("stage_0_block_0") == 7
    assert of("stem") == 8


def test_plain_model_has_a_rate_for_every_block():
    model = tiny_models.filled(tiny_models.plain())
    changes = changes_without_gradient(model, recipe(layer_decay=0.5))
    kernel = next(path for path in changes if "patch_embedding" in path and "kernel" in path)

    assert changes[kernel] == pytest.approx(0.5**4 * 1e-3 * 0.5, rel=1e-2)
