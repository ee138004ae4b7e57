"""A model compiled by a recipe, ready to be trained."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from keras_cabvit.finetuning import freeze
from training.optimization.averaged_model import AveragedModel
from training.optimization.class_weights import training_loss
from training.optimization.optimizer import make_optimizer
from training.optimization.several_sizes import SeveralSizesModel
from training.recipes.recipe import Recipe


def compiled_model(
    model: keras.Model,
    recipe: Recipe,
    steps: int,
    jit_compile: bool | str,
    class_counts: Sequence[int] | None = None,
) -> AveragedModel:
    """Returns the `AveragedModel` of a model, compiled by a recipe, with its optimizer built.

    Args:
        model: the recipe's model, as `build_model` returns it.
        recipe: `Recipe`.
        steps: integer, batches per epoch.
        jit_compile: as `model.compile` takes it.
        class_counts: integers (classes,), the training images of each class; needed only if
            `recipe.class_balance` is "weights".

    Raises:
        ValueError: the recipe freezes a part that the model does not have, or all of it; or a batch
            has fewer images than there are sizes.
    """
    options = recipe.optimization
    classes = model.output_shape[-1]
    frozen = freeze(model, recipe.freeze)
    averaging = (
        options.average_momentum,
        options.accumulation_steps,
        options.average_warmup,
        frozen,
    )
    sides = recipe.model.image_sizes
    if sides is None:
        averaged = AveragedModel(model, *averaging)
    else:
        _check_batch(recipe.batch_size, sides)
        averaged = SeveralSizesModel(model, sides, *averaging)
    optimizer = make_optimizer(averaged, recipe, steps)
    averaged.compile(
        optimizer,
        training_loss(recipe.class_balance, class_counts, recipe.augmentation.label_smoothing),
        # Weighted, because the last validation batch is padded with images of weight 0.
        weighted_metrics=[
            keras.metrics.CategoricalAccuracy(name="top1"),
            keras.metrics.TopKCategoricalAccuracy(min(5, classes), name="top5"),
            keras.metrics.CategoricalCrossentropy(name="cross_entropy"),
        ],
        jit_compile=jit_compile,
    )
    optimizer.build(averaged.trainable_variables)
    # Keras creates the metrics' variables at the first scores; a checkpoint may need them earlier.
    scores = np.full((1, classes), 1 / classes, "float32")
    averaged.compute_metrics(None, scores, scores, np.ones(1, "float32"))
    averaged.reset_metrics()
    return averaged


def _check_batch(batch_size: int, sides: Sequence[int]) -> None:
    if batch_size < len(sides):
        raise ValueError(
            "`batch_size` must be at least the number of sizes in `image_sizes`, among which each "
            f"batch is divided. Received: batch_size={batch_size}, image_sizes={tuple(sides)}"
        )


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Builds layers with a dtype policy, and losses and metrics in float32, until the block ends.

    Whatever "floatx" Keras' settings (`keras.json`) give: sums over thousands of images in float16
    are rounded, or overflow.

    Args:
        policy: "float32" or "mixed_bfloat16".
    """
    floatx, before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(before)
