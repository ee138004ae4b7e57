"""The training step of `fit`, for devices that need not exist."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from training.optimization.compiled_model import compiled_model, precision
from training.recipes.model import build_model
from training.recipes.recipe import Recipe

# Only constants of the learning-rate schedule depend on it.
_STEPS_PER_EPOCH = 1000


def lower_step(
    recipe: Recipe,
    classes: int,
    devices: Sequence[jax.Device],
    build: Callable[..., keras.Model] = build_model,
) -> jax.stages.Lowered:
    """Returns the step of `fit` under data parallelism, ready to be compiled.

    The model and the optimizer are those of a run. Keras itself makes the step, so that it donates
    and shards the state as `fit` does; the state and the batch are shapes without values, because
    nothing can be put on absent devices. One operation depends on the platform in Keras 3.15: the
    metrics' argmax has one more comparison and selection on the CPU.

    Args:
        recipe: `Recipe`. Its batch must divide by the devices.
        classes: integer.
        devices: list of JAX devices.
        build: function of the recipe's `ModelOptions` and the classes that returns the model.
            Defaults to `build_model`.

    Returns:
        A `jax.stages.Lowered` of a function of the state (the values of trainable, other,
        optimizer and metrics variables) and the batch (images and soft labels), which returns logs
        and the new state.
    """
    distribution = keras.distribution.DataParallel(devices=list(devices), auto_shard_dataset=False)
    with precision(recipe.precision):
        model = build(recipe.model, classes)
        model = compiled_model(model, recipe, _STEPS_PER_EPOCH, "auto")
        with distribution.scope():
            return _lower(model, recipe, classes, distribution)


def _lower(
    model: keras.Model, recipe: Recipe, classes: int, distribution: keras.distribution.DataParallel
) -> jax.stages.Lowered:
    batch = tuple(
        _abstract(shape, "float32", distribution.get_data_layout(shape))
        for shape in (
            (recipe.batch_size, *recipe.model.image_size, 3),
            (recipe.batch_size, classes),
        )
    )
    model._symbolic_build(data_batch=batch)  # the variables of the metrics
    for variable in [
        *model.variables,
        *model.optimizer.variables,
        *model.metrics_variables,
    ]:
        layout = distribution.get_variable_layout(variable)
        variable._value = _abstract(variable.shape, variable.value.dtype, layout)
    # `fit` calls the step from a function that takes the batch from an iterator.
    model._make_function = lambda step, *_: step
    model.make_train_function(force=True)
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    return model.train_function.lower(state, batch)


def _abstract(shape: tuple[int, ...], dtype: Any, layout: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype, sharding=layout.backend_layout)
