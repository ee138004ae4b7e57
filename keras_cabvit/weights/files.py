"""Saving and loading the library's own weights files."""

import math
import os
import re
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_cabvit.atomic_files import atomic_path, check_space
from keras_cabvit.paths import local_path
from keras_cabvit.weights.counterpart import counterpart, own_sizes
from keras_cabvit.weights.stored_sizes import read_stored_sizes, stored_shapes
from keras_cabvit.weights.transfer import transfer_weights

# Bytes of an HDF5 file besides the values: of the file, and of each variable with its groups.
_OF_FILE, _OF_VARIABLE = 1 << 16, 1 << 12
# Layers that a model without the classifier lacks, and the paths at which Keras stores them.
_HEAD = {"head_norm": "layers/layer_normalization/", "predictions": "layers/dense/"}


def save_weights(model: keras.Model, path: str | os.PathLike[str]) -> Path:
    """Writes the model's weights to `path`, completely or not at all.

    Args:
        model: any Keras model.
        path: path of the file, ending in `.weights.h5`; an existing file is replaced.

    Returns:
        The path.

    Raises:
        ValueError: `path` has another ending.
        OSError: the disk is full, or the like.
    """
    path = local_path(path)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"`path` must end in .weights.h5. Received: path={str(path)!r}")
    values = sum(_bytes_of(weight) for weight in model.weights)
    with atomic_path(path) as partial:
        check_space(partial, values + _OF_FILE + _OF_VARIABLE * len(model.weights))
        model.save_weights(partial)
    return path


def _bytes_of(weight: keras.Variable) -> int:
    bits = re.search(r"\d+", keras.backend.standardize_dtype(weight.dtype))  # none in "bool"
    return math.prod(weight.shape) * (int(bits[0]) if bits else 8) // 8


def load_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Loads a weights file into a model of any image size, all of its weights or none.

    Weights of the same image size are loaded as they are, to the bit. Those of another are
    resampled, and a first kernel for other channels is adapted, as `transfer_weights` does. A file
    with the classifier also fits a model without it; the classifier of a model of other classes
    keeps its own values. A warning tells of other classes and channels.

    Args:
        model: a model of this library.
        path: path of a `.weights.h5` or `.keras` file saved by a model with the same arguments
            except `input_shape` and `classes`.

    Raises:
        ValueError: the file does not fit the model, or holds no weights. The model is unchanged.
    """
    path = local_path(path)
    # On PyTorch they are views.
    before = [np.array(weight) for weight in model.get_weights()]
    try:
        source = _source(model, path)
        source.load_weights(path)
        _check_left_over(source, path)
        if source is not model:
            transfer_weights(model, source)
    except Exception as error:  # h5py's errors on a damaged file have no common class
        model.set_weights(before)
        if _holds_model(path):
            raise ValueError(describe_hdf5(path)) from error
        raise ValueError(
            f"The weights in {path} do not fit model '{model.name}' with input shape "
            f"{model.input_shape[1:]}: they must have been saved by a model of the same arguments "
            f"(sizes, include_top). {error}"
        ) from error


def _source(model: keras.Model, path: Path) -> keras.Model:
    """Returns a model that the file's weights fit as they are stored, `model` itself if it does."""
    try:
        stored = read_stored_sizes(path)
    except ValueError:
        return model  # Keras says what is wrong
    own = own_sizes(model)
    if own is None:
        return model
    image_size, channels, classes = own
    has_other_classes = None not in (stored.classes, classes) and stored.classes != classes
    if (stored.image_size, stored.channels) == (image_size, channels) and not has_other_classes:
        return model
    scale = stored.image_size[0] / image_size[0]
    return counterpart(model, stored.image_size, stored.channels, stored.classes, scale)


def check_image_size(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Raises a ValueError if a file's weights fit a model of this library but for its image size.

    Args:
        model: a model of this library.
        path: path of a file of any kind.
    """
    own = own_sizes(model)
    try:
        stored = read_stored_sizes(path)
    except ValueError:
        return
    if own is not None and stored.image_size != own[0]:
        (height, width), (rows, columns) = stored.image_size, own[0]
        raise ValueError(
            f"The weights in {path} were saved for images of {height}x{width} pixels, and model "
            f"'{model.name}' has position-dependent weights for {rows}x{columns}, which Keras "
            "would not load. keras_cabvit.weights.load_weights(model, path) resamples them."
        )


def describe_hdf5(path: str | os.PathLike[str]) -> str | None:
    """Says what an HDF5 file that is not a readable `.weights.h5` file holds, and what to do.

    Args:
        path: path of a file, of any name.

    Returns:
        Sentences, or None if it is not an HDF5 file.
    """
    path = local_path(path)
    holds_model = _holds_model(path)
    if holds_model is None:
        return None
    if holds_model:
        return (
            f"{path} holds a whole model in Keras' older HDF5 format, in which this library's "
            "models cannot be read back. Save it as a .keras file where it was made: "
            'model.save("model.keras").'
        )
    return (
        f"{path} holds only weights, not a model: build the model that they were saved from, and "
        "call model.load_weights."
    )


def _holds_model(path: Path) -> bool | None:
    """Returns whether an HDF5 file holds a model's architecture; None if it is not HDF5."""
    try:
        with h5py.File(path) as file:
            return "model_config" in file.attrs
    except OSError:
        return None


def _check_left_over(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Raises a ValueError if the file has weights that the model has not loaded.

    Keras reads only what the model needs, so the file of a deeper model would fit a shallower one.
    """
    layers = {layer.name for layer in model.layers}
    head = tuple(prefix for name, prefix in _HEAD.items() if name not in layers)
    names = _stored_weights(path)
    left_over = len(names) - len(model.weights)
    if left_over not in (0, sum(name.startswith(head) for name in names)):
        raise ValueError(f"The file has {left_over} more weights than the model.")


def _stored_weights(path: str | os.PathLike[str]) -> list[str]:
    """Returns the names of the weights in the file, except an optimizer's."""
    return [name for name in stored_shapes(path) if name.startswith("layers/")]
