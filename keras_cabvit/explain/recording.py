"""Running a model and keeping the attention maps of its blocks."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_cabvit.data.array_checks import check_not_scaled
from keras_cabvit.explain.backends import for_inference
from keras_cabvit.explain.blocks import Block, stages_of
from keras_cabvit.explain.replaced_calls import replaced
from keras_cabvit.ops import at_least_single, is_half
from keras_cabvit.runtimes.pixel_scale import note_on_pixels

Maps = dict[str, np.ndarray]


def recorded_maps(
    model: keras.Model, images: np.ndarray, blocks: dict[str, Block], batch_size: int
) -> Iterator[Maps]:
    """Yields the attention maps of some blocks, a batch of images at a time.

    Args:
        model: Keras model.
        images: array (count, height, width, channels), as `checked_images` returns it.
        blocks: dict of `Block`s by name.
        batch_size: integer, images at a time.

    Yields:
        A dict from the blocks' names to arrays (batch, heads, tokens, tokens + digest tokens), at
        least float32. Rows of a model that computes in half precision are divided by their sum.

    Raises:
        ValueError: `batch_size` is less than 1, or the model calls a stage never or more than once.
    """
    stages = stages_of(model)
    found: dict[str, Any] = {}

    def recording(stage: Any, call: Callable) -> Callable:
        def call_and_record(
            inputs: Any, return_intermediates: bool = False, training: bool | None = None
        ) -> Any:
            intermediates = call(inputs, return_intermediates=True, training=training)
            for layer, maps in zip(stage.blocks, intermediates["maps"], strict=True):
                name = f"{stage.name}/{layer.name}"
                if name in found:
                    raise ValueError(
                        f"Stage '{stage.name}' is called more than once by '{model.name}': which "
                        "of the calls to explain is not clear. Explain a model with one call."
                    )
                found[name] = maps
            return intermediates if return_intermediates else intermediates["tokens"][-1]

        return call_and_record

    def run(pixels: Any) -> Any:
        found.clear()
        model(pixels, training=False)
        if missing := blocks.keys() - found.keys():
            raise ValueError(
                f"'{model.name}' has a block {sorted(missing)[0]}, which it does not call."
            )
        return {
            name: keras.ops.cast(found[name], at_least_single(found[name].dtype)) for name in blocks
        }

    function = for_inference(model, run)
    for batch in batches(images, batch_size):
        with replaced(stages.values(), recording):
            maps = function(keras.ops.convert_to_tensor(batch))
        yield {
            name: _with_unit_rows(keras.ops.convert_to_numpy(maps[name]), block)
            for name, block in blocks.items()
        }
        found.clear()


def _with_unit_rows(maps: np.ndarray, block: Block) -> np.ndarray:
    """Undoes the rounding of maps to half precision, whose rows sum to 1 only roughly."""
    if not is_half(block.layer.compute_dtype):
        return maps
    return maps / maps.sum(axis=-1, keepdims=True)


def batches(images: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yields images, some at a time.

    Raises:
        ValueError: `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]


def checked_images(model: keras.Model, images: npt.ArrayLike) -> np.ndarray:
    """Returns images as an array, and warns of scaled ones for a model that normalises pixels.

    The warning names the line that called the caller: for the first lines of public functions.

    Raises:
        ValueError: there are none, or they do not have the shape that the model takes.
    """
    array = np.asarray(images)
    taken: Any = getattr(model, "input_shape", None)
    if isinstance(taken, (list, dict)) and len(taken) == 1:
        (taken,) = taken.values() if isinstance(taken, dict) else taken
    if taken is not None and not isinstance(taken, tuple):
        raise ValueError(
            f"`model` must have one input, for images. '{model.name}' has {len(taken)} inputs."
        )
    sides = (None,) * 3 if taken is None else tuple(taken[1:])
    fits = array.ndim == 4 and all(
        side in (None, given) for side, given in zip(sides, array.shape[1:], strict=False)
    )
    if not fits or not len(array):
        right = ", ".join("any" if side is None else str(side) for side in sides)
        raise ValueError(
            f"`images` must be an array (count, {right}) of at least one image, as '{model.name}' "
            f"takes them. Received: shape {array.shape}"
        )
    if not note_on_pixels(model, model.name):
        try:
            check_not_scaled(array)
        except ValueError as error:
            # Only a warning: a model of the caller's own may normalise pixels in [0, 1].
            warnings.warn(
                f"'{model.name}' normalises pixels itself. As this library's models take them, "
                f"{error}",
                stacklevel=3,
            )
    return array
