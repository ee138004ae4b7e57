"""A learning rate for each layer, around any optimizer."""

import contextlib
import json

import keras
import numpy as np
import pytest
import tiny_models

from keras_cabvit.finetuning import LayerwiseOptimizer, layerwise_rates

SCHEDULE = keras.optimizers.schedules.PiecewiseConstantDecay
OPTIMIZERS = {
    "AdamW": {"weight_decay": 0.3, "clipnorm": 0.5},
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Lion": {"weight_decay": 0.2, "clipvalue": 0.1},
    "Nadam": {},
    "Adam": {
        "weight_decay": 0.2,
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_momentum": 0.7,
        "ema_overwrite_frequency": 3,
    },
    "RMSprop": {"momentum": 0.5},
    "Adadelta": {},
    "Adafactor": {},
    "Adagrad": {},
    "Adamax": {},
    "Ftrl": {},
    "Lamb": {"weight_decay": 0.1},
    "Muon": {"weight_decay": 0.1, "adam_weight_decay": 0.2},
}
# What differs by backend: steps of one variable, or PyTorch's of all; and accumulation.
ON_EVERY_BACKEND = ("AdamW", "SGD", "Nadam", "Adam", "Muon")


def optimizer(name, rate=1e-2, **changes):
    rate = SCHEDULE([2, 4], [rate, rate / 2, rate / 4])
    return getattr(keras.optimizers, name)(rate, **OPTIMIZERS[name] | changes)


def variables():
    """Two matrices and a vector, in two layers."""
    values = np.random.default_rng(0).standard_normal((3, 3, 4)).astype("float32")
    made = []
    for layer, value in zip("abb", (values[0], values[1], values[2, 0]), strict=True):
        with keras.name_scope(layer):
            made.append(keras.Variable(value, name="kernel" if value.ndim == 2 else "bias"))
    return made


def after(optimizer, trained, steps=6, places=(0, 1, 2)):
    """Returns the values of some variables after steps with gradients of their own."""
    rng = np.random.default_rng(1)
    trained = [trained[place] for place in places]
    optimizer.build(trained)
    apply = compiled(optimizer, trained) if keras.config.backend() == "jax" else optimizer.apply
    for _ in range(steps):
        gradients = [rng.standard_normal(shape).astype("float32") for shape in ((3, 4), (3, 4), 4)]
        apply([keras.ops.convert_to_tensor(gradients[place]) for place in places])
    return [keras.ops.convert_to_numpy(variable) for variable in trained]


def compiled(optimizer, trained):
    """Returns `optimizer.apply` as `fit` calls it on JAX: one program, instead of a hundred."""
    import jax

    @jax.jit
    def step(state, gradients, values):
        return optimizer.stateless_apply(state, gradients, values)

    def apply(gradients):
        state, values = ([each.value for each in group] for group in (optimizer.variables, trained))
        for group, new in zip(
            (trained, optimizer.variables), step(state, gradients, values), strict=True
        ):
            for variable, value in zip(group, new, strict=True):
                variable.assign(value)

    return apply


def assert_each_has_its_rate(name):
    wrapped = LayerwiseOptimizer(optimizer(name), {"a": 0.1, "b": np.float32(0.5), "b/bias": 2})
    found = after(wrapped, variables())
    expected = [
        after(optimizer(name, 1e-2 * factor), variables(), places=[place])[0]
        for place, factor in enumerate((0.1, 0.5, 2.0))
    ]
    for value, same in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, same, rtol=2e-6, atol=1e-7)


@pytest.mark.every_backend
@pytest.mark.parametrize("name", ON_EVERY_BACKEND)
def test_variable_moves_as_under_an_optimizer_with_its_rate(name):
    assert_each_has_its_rate(name)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in ON_EVERY_BACKEND])
def test_any_other_optimizer_has_the_rates_too(name):
    assert_each_has_its_rate(name)


@pytest.mark.every_backend
def test_norm_of_all_gradients_is_clipped_together():
    values = variables()
    gradients = [np.full(value.shape, 3.0, "float32") for value in values]
    wrapped = LayerwiseOptimizer(keras.optimizers.SGD(1.0, global_clipnorm=0.5), {"a": 0.1})
    before = [np.array(value) for value in values]
    wrapped.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], values)
    clipped = 3 * 0.5 / np.sqrt(sum(gradient.size * 9 for gradient in gradients))

    for value, start, factor in zip(values, before, (0.1, 1, 1), strict=True):
        np.testing.assert_allclose(start - np.array(value), factor * clipped, rtol=1e-4)


def test_without_factors_every_bit_is_the_wrapped_optimizers():
    for name in ("AdamW", "Adam"):
        found = after(LayerwiseOptimizer(optimizer(name), {}), variables())
        for value, same in zip(found, after(optimizer(name), variables()), strict=True):
            np.testing.assert_array_equal(value, same)


def test_variables_are_excluded_from_the_weight_decay():
    wrapped, plain = LayerwiseOptimizer(optimizer("AdamW"), {}), optimizer("AdamW")
    for each in (wrapped, plain):
        each.exclude_from_weight_decay(var_names=["bias"])

    found, expected = after(wrapped, variables()), after(plain, variables())
    for value, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(value, same)
    assert not np.array_equal(found[2], after(optimizer("AdamW"), variables())[2])


def test_rate_of_zero_keeps_a_variable():
    values = variables()
    start = np.array(values[0])
    found = after(LayerwiseOptimizer(optimizer("AdamW"), {"a": 0}), values)
    np.testing.assert_array_equal(found[0], start)
    assert not np.array_equal(found[1], np.array(variables()[1]))


def classifier():
    image = keras.Input((4,))
    x = keras.layers.Dense(6, "tanh", name="first")(image)
    return keras.Model(image, keras.layers.Dense(3, "softmax", name="predictions")(x))


def fit(model, seed, epochs=1):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((24, 4)).astype("float32"), np.arange(24) % 3
    model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)
    return model


def wrapped_adamw(**options):
    inner = keras.optimizers.AdamW(1e-2, global_clipnorm=1.0, **options)
    return LayerwiseOptimizer(inner, {"first": 0.25})


@pytest.mark.every_backend
def test_loaded_model_continues_with_the_same_steps(tmp_path):
    model = classifier()
    optimizer = wrapped_adamw(gradient_accumulation_steps=3, use_ema=True, ema_momentum=0.8)
    at_once = 1 if keras.backend.backend() == "torch" else 2  # PyTorch takes single steps only
    model.compile(optimizer, "sparse_categorical_crossentropy", steps_per_execution=at_once)
    fit(model, seed=1)
    model.optimizer.learning_rate = 5e-3
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert json.loads(json.dumps(model.optimizer.get_config())) == model.optimizer.get_config()
    for variable, other in zip(loaded.optimizer.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (variable, other)))
    for each in (model, loaded):
        fit(each, seed=2)
    assert int(model.optimizer.iterations) == int(loaded.optimizer.iterations) == 4
    for weight, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.every_backend
@pytest.mark.parametrize("place", ["inside", "around", "both"])
def test_loss_scaling_changes_nothing_but_the_loss(place):
    adam = {"epsilon": 1e-3}
    models = []
    for scaled in (False, True):
        keras.utils.set_random_seed(0)
        models.append(classifier())
        optimizer = keras.optimizers.AdamW(1e-2, **adam)
        if scaled and place != "around":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=256.0)
        optimizer = LayerwiseOptimizer(optimizer, {"first": 0.25})
        if scaled and place != "inside":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0)
        models[-1].compile(optimizer, "sparse_categorical_crossentropy")
        fit(models[-1], seed=1)
    for weight, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-7)


def test_callbacks_set_the_rate_and_swap_the_averages():
    model = classifier()
    model.compile(wrapped_adamw(use_ema=True), "sparse_categorical_crossentropy")
    rates = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    x, y = np.ones((6, 4), "float32"), np.arange(6) % 3
    history = model.fit(
        x, y, epochs=2, callbacks=[rates, keras.callbacks.SwapEMAWeights()], verbose=0
    )

    np.testing.assert_allclose(history.history["learning_rate"], [5e-3, 2.5e-3])


def test_steps_under_a_strategy_are_the_same():
    tensorflow = pytest.importorskip("tensorflow")
    found = []
    # With one device, because the processor can be split only in a new process. It also runs in a
    # thread of its own.
    for strategy in (None, tensorflow.distribute.MirroredStrategy(["CPU:0"])):
        keras.utils.set_random_seed(0)
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            model = classifier()
            optimizer = wrapped_adamw(weight_decay=0.5, use_ema=True)
            model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
        found.append(fit(model, seed=1).get_weights())
    for weight, other in zip(*found, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"first": -1}, "finite numbers of at least 0. Received: {'first': -1}"),
        ({"first": float("nan")}, "finite numbers"),
        ({"first": True}, "finite numbers"),
        ([0.1], "must be a dict from paths to numbers"),
    ],
)
def test_wrong_factors_are_named(factors, message):
    with pytest.raises(ValueError, match=message):
        LayerwiseOptimizer("sgd", factors)


@pytest.mark.parametrize("path", ["fir", "first/kern", "/first", "predictions/gamma"])
def test_path_of_no_variable_is_refused(path):
    wrapped = LayerwiseOptimizer("sgd", {"first": 0.5, path: 0.5})
    with pytest.raises(ValueError, match=rf"such as first/kernel or first. Received: {path}$"):
        wrapped.build(classifier().trainable_variables)


def test_optimizer_that_has_taken_steps_is_refused():
    used = keras.optimizers.SGD()
    used.build(classifier().trainable_variables)
    with pytest.raises(ValueError, match=r"must be new\. Received: an optimizer of type SGD"):
        LayerwiseOptimizer(used, {})


def test_rates_fall_from_block_to_block_towards_the_stem():
    model = tiny_models.two_blocks()
    rates = layerwise_rates(model, 0.5)
    assert rates == {
        "stage_1_block_0": 0.125,
        "merging_2": 0.25,
        "stage_2/block_0": 0.25,
        "stage_2/block_1": 0.5,
        "predictions": 1.0,
    }
    wrapped = LayerwiseOptimizer("sgd", rates)
    wrapped.build(model.trainable_variables)  # every path is that of variables
    assert layerwise_rates(model, 1) == {}
    model.get_layer("merging_2").trainable = False
    assert "merging_2" not in layerwise_rates(model, 0.5)
    with pytest.raises(ValueError, match=r"above 0 and at most 1. Received: layer_decay=1.5"):
        layerwise_rates(model, 1.5)


def test_averages_are_swapped_under_loss_scaling():
    model = classifier()
    optimizer = keras.optimizers.LossScaleOptimizer(wrapped_adamw(use_ema=True, ema_momentum=0.8))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = np.ones((8, 4), "float32"), np.arange(8) % 3
    swap = keras.callbacks.SwapEMAWeights()
    history = model.fit(x, y, validation_data=(x, y), epochs=2, callbacks=[swap], verbose=0)

    # The averages are behind the weights that have just been trained.
    assert history.history["val_loss"][0] > model.evaluate(x, y, verbose=0)


def test_optimizer_without_averages_has_none():
    model = classifier()
    model.compile(wrapped_adamw(), "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="use_ema=True"):
        model.fit(
            np.ones((8, 4), "float32"), np.arange(8) % 3, validation_split=0.5,
            callbacks=[keras.callbacks.SwapEMAWeights()], verbose=0,
        )  # fmt: skip


@pytest.mark.every_backend
def test_group_of_which_all_variables_are_excluded_does_not_decay():
    wrapped = LayerwiseOptimizer(optimizer("AdamW"), {"b/bias": 0.1})
    wrapped.exclude_from_weight_decay(var_names=["bias"])

    assert np.isfinite(after(wrapped, variables())[2]).all()
