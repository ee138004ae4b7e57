"""Saving and loading the library's own weights files."""

import math
import os
import re
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_cabvit.atomic_files import atomic_path, check_space
from keras_cabvit.layers import CabViTStage
from keras_cabvit.layers.inference_form import is_inference_form
from keras_cabvit.layers.layer_state import set_weights
from keras_cabvit.paths import local_path
from keras_cabvit.weights.counterpart import counterpart, image_layer, own_sizes
from keras_cabvit.weights.stored_sizes import Shapes, StoredSizes, sizes_of, stored_shapes
from keras_cabvit.weights.transfer import transfer_weights

# Bytes of an HDF5 file besides the values: of the file, and of each variable with its groups.
_OF_FILE, _OF_VARIABLE = 1 << 16, 1 << 12
# Layers that a model without the classifier lacks, and the paths at which Keras stores them.
_HEAD = {"head_norm": "layers/layer_normalization/", "predictions": "layers/dense/"}
# The paths of layers in their form for inference: of the stem, blocks and the norm at the end.
_FUSED = re.compile("layers/fused_")
_FUSE_AGAIN = (
    "A fused model has other weights than a trainable one, for one image size: load the weights of "
    "the trainable model into one with keras_cabvit.weights.load_weights, which resamples them, "
    "and fuse that with keras_cabvit.inference.fuse."
)


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
    keeps its own values. A warning tells of other classes and channels. A fused model takes only
    the weights of one fused in the same way, at the same image size.

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
    shapes = _shapes(path)
    stored = _sizes(shapes)
    try:
        _check_form(model, path, shapes)
        source = _source(model, stored)
        # Keras' own method: that of the model's class would read the file's shapes again.
        keras.Model.load_weights(source, path)
        _check_left_over(source, shapes)
        if source is not model:
            transfer_weights(model, source)
    except Exception as error:  # h5py's errors on a damaged file have no common class
        set_weights(model, before)
        if _holds_model(path):
            raise ValueError(describe_hdf5(path)) from error
        raise ValueError(
            f"The weights in {path} do not fit model '{model.name}' with input shape "
            f"{model.input_shape[1:]}: they must have been saved by a model of the same arguments "
            f"(sizes, include_top).{_saved_by(stored)} {error}"
        ) from error


def _shapes(path: str | os.PathLike[str]) -> Shapes:
    """Returns the shapes of what a file stores, by name; none of a file that cannot be read."""
    try:
        return stored_shapes(path)
    except Exception:  # h5py's errors on a damaged file have no common class
        return {}  # Keras says what is wrong


def _sizes(shapes: Shapes) -> StoredSizes | None:
    """Returns the sizes of the model that a file belongs to; None if it is none of this library."""
    try:
        return sizes_of(shapes)
    except (KeyError, IndexError):
        return None


def _saved_by(stored: StoredSizes | None) -> str:
    if stored is None:
        return ""
    sizes = ", ".join(f"{name}={value}" for name, value in stored.arguments.items())
    height, width = stored.image_size
    return f" They are those of a {stored.family} model for {height}x{width} images with {sizes}."


def _source(model: keras.Model, stored: StoredSizes | None) -> keras.Model:
    """Returns a model that the file's weights fit as they are stored, `model` itself if it does."""
    own = own_sizes(model)
    if own is None or stored is None:
        return model
    has_other_classes = None not in (stored.classes, own.classes) and stored.classes != own.classes
    has_own_images = (stored.image_size, stored.channels) == (own.image_size, own.channels)
    if has_own_images and not has_other_classes:
        return model
    classes = stored.classes if has_other_classes else None
    part = _from_its_images(model)
    return counterpart(part, stored.image_size, stored.channels, classes, without_windows=True)


def _from_its_images(model: keras.Model) -> keras.Model:
    """Returns the part of a model from the images that its first layer of weights takes.

    Layers of the user's own may come before, which resize or join images.
    """
    first = image_layer(model)
    if first is None or first.input.shape[1:] == model.input_shape[1:]:
        return model
    return keras.Model(first.input, model.output, name=model.name)


def check_image_size(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Raises a ValueError if Keras would leave out a file's weights because of their image size.

    Args:
        model: a model of this library.
        path: path of a file of any kind.
    """
    shapes = _shapes(path)
    _check_form(model, path, shapes)
    own, stored = own_sizes(model), _sizes(shapes)
    if own is not None and stored is not None and stored.image_size != own.image_size:
        (height, width), (rows, columns) = stored.image_size, own.image_size
        raise ValueError(
            f"The weights in {path} were saved for images of {height}x{width} pixels, and model "
            f"'{model.name}' has position-dependent weights for {rows}x{columns}, which Keras "
            "would not load. keras_cabvit.weights.load_weights(model, path) resamples them."
        )


def _check_form(model: keras.Model, path: str | os.PathLike[str], shapes: Shapes) -> None:
    """Raises a ValueError if the model or the file is fused, and the other is not or differs."""
    weights = {name: shape for name, shape in shapes.items() if name.startswith("layers/")}
    is_fused, comes_from_fused = _is_fused(model), any(map(_FUSED.match, weights))
    if not weights or not (is_fused or comes_from_fused):
        return
    if is_fused != comes_from_fused:
        ours, theirs = ("fused", "trainable") if is_fused else ("trainable", "fused")
        raise ValueError(
            f"The weights in {path} are those of a {theirs} model, and model '{model.name}' is "
            f"{ours}. {_FUSE_AGAIN}"
        )
    if sorted(weights.values()) != sorted(tuple(weight.shape) for weight in model.weights):
        raise ValueError(
            f"The weights in {path} are those of another model, or of one that was fused for "
            "another image size, with other classes or in another form, which cannot be resampled. "
            f"{_FUSE_AGAIN}"
        )


def _is_fused(model: keras.Model) -> bool:
    """Returns whether it is a model of this library in its form for inference."""
    has_stage = any(isinstance(layer, CabViTStage) for layer in model.layers)
    return has_stage and any(map(is_inference_form, model.layers))


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


def _check_left_over(model: keras.Model, shapes: Shapes) -> None:
    """Raises a ValueError if the file has weights that the model has not loaded.

    Keras reads only what the model needs, so the file of a deeper model would fit a shallower one.
    """
    layers = {layer.name for layer in model.layers}
    head = tuple(prefix for name, prefix in _HEAD.items() if name not in layers)
    names = [name for name in shapes if name.startswith("layers/")]  # not an optimizer's
    # Not LoRA: each layer starts missing factors anew, and refuses those that it has not.
    names = [name for name in names if "lora_kernel" not in name]
    wanted = [each for each in model.weights if not each.name.startswith("lora_kernel")]
    left_over = len(names) - len(wanted)
    if left_over not in (0, sum(name.startswith(head) for name in names)):
        raise ValueError(f"The file has {left_over} more weights than the model.")
