"""The windows of a hybrid model for images of any size."""

import contextlib

from keras_cabvit.layers.numpy_arguments import is_positive_integer
from keras_cabvit.weights import read_stored_sizes

# Pixels per token of the two stages with attention.
_STRIDES = (16, 32)
_DEFAULT_SIDE = 224


def window_sides(windowed, weights):
    """Returns the sides in tokens of the windows of the last two stages; None for no windows.

    Args:
        windowed: False; True for the token grids that the weights were trained on; or the side in
            pixels of the square images that have these grids.
        weights: path of a weights file, whose grids they are, or None: those of 224x224 images.

    Raises:
        ValueError: `windowed` is something else, or the grids in the file are not square.
    """
    if windowed is False:
        return None, None
    if windowed is True:
        side = _trained_side(weights)
    elif is_positive_integer(windowed) and windowed % max(_STRIDES) == 0:
        side = windowed
    else:
        raise ValueError(
            "`windowed` must be True, False or the side in pixels of the images that the weights "
            f"were trained on, a multiple of {max(_STRIDES)}. Received: windowed={windowed!r}"
        )
    return tuple(side // stride for stride in _STRIDES)


def refuse_windowed(windowed):
    """Raises a ValueError if a plain model is to be windowed."""
    if windowed is not False:
        raise ValueError(
            "`windowed` must be False for a plain model: its only stage has a class token and "
            "learned positions, which cannot be cut into windows. Hybrid models, such as "
            f"keras_cabvit.CabViTH_T, can be windowed. Received: windowed={windowed!r}"
        )


def _trained_side(weights):
    stored = None
    if weights is not None:
        with contextlib.suppress(ValueError):  # loading the file explains it
            stored = read_stored_sizes(weights)
    if stored is None or stored.family != "hybrid":
        return _DEFAULT_SIDE
    height, width = stored.image_size
    if height != width:
        raise ValueError(
            f"The weights in {weights} were trained on {height}x{width} images, and windows are "
            f"square: pass a side to resample them to, such as windowed={max(height, width)}."
        )
    return height
