"""Models that take pixels which somebody else must normalise first."""

from collections.abc import Iterator
from typing import Any

import keras

# What leaves the values of pixels unchanged.
_MOVING = {
    *("InputLayer", "Identity", "Cast", "Resizing", "CenterCrop", "Reshape", "Flatten", "Permute"),
    *("ZeroPadding2D", "Pad", "Transpose", "AveragePooling2D", "GlobalAveragePooling2D"),
}


def note_on_pixels(model: keras.Model, name: str) -> tuple[str, ...]:
    """Returns a sentence if a model uses its pixels as they are, else nothing.

    Every model here is fed pixels in [0, 255]. One that was trained on normalised pixels, such as
    one built with `include_preprocessing=False`, gives wrong scores for them, and its file does not
    state its normalisation.

    Args:
        model: functional or sequential Keras model with one input.
        name: name of the model in the sentence.

    Returns:
        A tuple of at most one string.
    """
    first = next((each for each in _operations(model) if type(each).__name__ not in _MOVING), None)
    # Keras' products have a kernel; the first layer of this library's models is made of them.
    if first is None:
        return ()
    if not hasattr(first, "kernel") and not type(first).__module__.startswith("keras_cabvit."):
        return ()
    return (
        f"{name} begins with '{first.name}' and does not normalise pixels itself: it is given "
        "them in [0, 255]. If it was trained on others, its scores are wrong; put its "
        "normalisation into the model, such as a `keras.layers.Rescaling` before it.",
    )


def _operations(model: keras.Model) -> Iterator[Any]:
    """Yields the operations of a model and of those nested in it, from its input to its output."""
    for operation in getattr(model, "operations", None) or model.layers:
        if isinstance(operation, keras.Model):
            yield from _operations(operation)
        else:
            yield operation
