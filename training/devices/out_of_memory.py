"""What a person is told when a device has too little memory."""

import contextlib

# TensorFlow and JAX name the status, TensorFlow on a CPU and PyTorch put it in words.
_SIGNS = ("RESOURCE_EXHAUSTED", "OOM when allocating", "out of memory", "can't allocate memory")


@contextlib.contextmanager
def out_of_memory_as_sentence(recipe):
    """Raises a MemoryError with a sentence in place of what the backends raise.

    Args:
        recipe: `Recipe` that is trained.
    """
    try:
        yield
    except Exception as error:  # of as many kinds as there are backends
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        height, width = recipe.model.image_size
        raise MemoryError(
            f"The memory of the device is too small to train {recipe.model.variant} with "
            f"{recipe.batch_size} images of {height}x{width} a step. --batch-size "
            f"{max(1, recipe.batch_size // 2)} --optimization.accumulation-steps 2 takes about "
            "half and trains alike, where accumulation works (not under the strategies mirrored "
            "and tpu); --precision mixed_bfloat16, smaller images or more devices help too."
        ) from error
