"""A clear error for a device with too little memory."""

import contextlib
from collections.abc import Iterator

from training.recipes.recipe import Recipe

# TensorFlow and JAX name the status; TensorFlow on a CPU and PyTorch describe it.
_SIGNS = ("RESOURCE_EXHAUSTED", "OOM when allocating", "out of memory", "can't allocate memory")


@contextlib.contextmanager
def clear_out_of_memory(recipe: Recipe) -> Iterator[None]:
    """Raises a MemoryError with advice instead of the backends' own errors.

    Args:
        recipe: the `Recipe` in training.
    """
    try:
        yield
    except Exception as error:  # each backend has its own kinds
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        height, width = recipe.model.image_size
        raise MemoryError(
            f"The memory of the device is too small to train {recipe.model.variant} with "
            f"{recipe.batch_size} images of {height}x{width} per step. --batch-size "
            f"{max(1, recipe.batch_size // 2)} --optimization.accumulation-steps "
            f"{2 * recipe.optimization.accumulation_steps} takes about half and trains the same "
            "wherever accumulation works (not under the strategies mirrored and tpu); --precision "
            "mixed_bfloat16, smaller images or more devices help too."
        ) from error
