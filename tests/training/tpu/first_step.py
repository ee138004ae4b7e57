"""The step compiled for TPUs beside the first step of `fit`, on four virtual devices."""

import jax
import numpy as np

from training.devices.strategies import place
from training.optimization.compiled_model import compiled_model, precision
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions, Optimization, Recipe
from training.tpu.step import lower_step

CLASSES = 5
RECIPE = Recipe(
    model=ModelOptions(
        "CabViTP",
        image_size=(16, 16),
        embed_dims=(16,),
        depths=(2,),
        num_heads=(2,),
        patch_size=4,
        drop_path_rate=0.5,
    ),
    optimization=Optimization(learning_rate=1e-3, average_momentum=0.9),
    batch_size=8,
    precision="mixed_bfloat16",
)
GROUPS = ("trainable", "other", "optimizer", "metrics")


def values(model):
    """Returns the state as numpy arrays, in the order in which the step takes it."""
    return jax.tree.map(np.array, model._get_jax_state(*[True] * len(GROUPS)))


def equal(state, other):
    """Returns, for each group of the state, whether every bit is the same."""
    return {
        group: all(map(np.array_equal, arrays, others))
        for group, arrays, others in zip(GROUPS, jax.tree.map(np.array, state), other, strict=True)
    }


def compared_steps():
    """Returns which parts of the state are the same."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (8, 16, 16, 3)).astype("float32")
    labels = rng.dirichlet(np.ones(CLASSES), 8).astype("float32")
    with precision(RECIPE.precision), place("data_parallel", RECIPE).scope():
        model = compiled_model(build_model(RECIPE.model, CLASSES), RECIPE, 1000, "auto")
        model._symbolic_build(data_batch=(images, labels))
        before = values(model)
        model.fit(images, labels, batch_size=8, shuffle=False, verbose=0)
        after = values(model)

    step = lower_step(RECIPE, CLASSES, jax.devices()).compile()
    state, batch = jax.device_put((before, (images, labels)), step.input_shardings[0])
    _, stepped = step(state, batch)
    return {
        "as_before": equal(stepped, before),
        "as_fit": equal(stepped, after),
        "given_away": all(array.is_deleted() for array in jax.tree.leaves(state)),
        "images_a_device": [shard.data.shape[0] for shard in batch[0].addressable_shards],
        "whole_state_on_each": all(a.is_fully_replicated for a in jax.tree.leaves(stepped)),
    }
