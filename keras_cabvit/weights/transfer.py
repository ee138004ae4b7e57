"""Transfer of weights to a model of another image size, with other classes or input channels."""

import warnings

import keras
import numpy as np

from keras_cabvit.layers import ConvolutionalStem, PatchEmbedding
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.layers.layer_state import set_weights
from keras_cabvit.layers.stored_grid import GRID_AXES, StoredGrid
from keras_cabvit.weights.resampling import Grid, resampled

CLASSIFIER = "predictions"


def transfer_weights(model: keras.Model, source: keras.Model, classifier: bool = True) -> None:
    """Copies the weights of a model with another image size, classes or channels, all or none.

    Weights with one value per position of a stage's token grid (biases and scale factors of digest
    tokens, the plain model's positions) are resampled to the model's grid by their place in the
    image, linearly between the centres of positions. The relative position bias is resampled
    between offsets that are the same share of the image; offset 0 stays offset 0. At the same image
    size every value stays the same to the bit.

    A first kernel for three channels is summed for one, and for more it is extended by its mean and
    multiplied by three over their number: images whose channels are all alike give what they gave
    before. The classifier keeps its own values if the source has none, or other classes. A warning
    tells of both.

    Args:
        model: a model of this library.
        source: a model with the same arguments except `input_shape`, `classes`, `drop_rate` and
            `drop_path_rate`.
        classifier: whether to copy the classifier, where it has as many classes.

    Raises:
        ValueError: the source is a different model. `model` is unchanged.

    Example:
        >>> small = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> large = keras_cabvit.CabViTH_T(input_shape=(96, 128, 3), classes=10)
        >>> keras_cabvit.weights.transfer_weights(large, small)
    """
    sources = {layer.name: layer for layer in source.layers}
    transfers, notes = [], []
    for layer in model.layers:
        if not layer.weights or (layer.name == CLASSIFIER and not classifier):
            continue
        found = sources.get(layer.name)
        values = None if found is None else _transferred(layer, found)
        if values is not None:
            transfers.append((layer, values))
            notes += _channel_notes(layer, found)
        elif layer.name == CLASSIFIER:
            notes.append(_classifier_note(layer, found))
        else:
            raise ValueError(
                "The weights belong to another model: it must have the same arguments except "
                f"input_shape and classes. The first layer that does not fit is '{layer.name}'."
            )
    for layer, values in transfers:
        set_weights(layer, values)
    if notes:
        warnings.warn(f"Model '{model.name}': {' '.join(notes)}", stacklevel=2)


def _transferred(layer: keras.layers.Layer, source: keras.layers.Layer) -> list[np.ndarray] | None:
    """Returns the new values of a layer's weights, or None if the source is of another kind."""
    if [weight.name for weight in layer.weights] != [weight.name for weight in source.weights]:
        return None
    old_grids, new_grids = token_grids(source), token_grids(layer)
    values = []
    for weight, other in zip(layer.weights, source.weights, strict=True):
        shape = tuple(weight.shape)
        value = keras.ops.convert_to_numpy(other)
        if id(other) in old_grids:
            old, new = old_grids[id(other)], new_grids[id(weight)]
            value = resampled(value, weight.name, shape, old, new)
        elif weight is _image_kernel(layer):
            value = _for_channels(value, shape[-2])
        if value.shape != shape:
            return None
        values.append(value)
    return values


def token_grids(layer: keras.layers.Layer) -> dict[int, Grid]:
    """Returns the token grids (height, width) of the weights that belong to one, by their ids.

    Args:
        layer: a layer or model.
    """
    return {
        id(weight): part.token_grid
        for part in flatten_layers(layer)
        if isinstance(part, StoredGrid)
        for weight in part.weights
        if weight.name in GRID_AXES
    }


def _image_kernel(layer: keras.layers.Layer) -> keras.Variable | None:
    """Returns the kernel (rows, columns, channels, filters) that reads the image, if it is here."""
    if isinstance(layer, ConvolutionalStem):
        return layer.convolution_1.convolution.kernel
    return layer.projection.kernel if isinstance(layer, PatchEmbedding) else None


def _for_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Returns a kernel (rows, columns, input channels, filters) for another number of channels.

    Its sum over channels stays the same, and with it the output for images of alike channels.
    """
    old = kernel.shape[-2]
    if channels == old:
        return kernel
    if channels < old:
        kept, others = kernel[..., :channels, :], kernel[..., channels:, :]
        return kept + others.sum(axis=-2, keepdims=True) / channels
    mean = kernel.mean(axis=-2, keepdims=True).repeat(channels - old, axis=-2)
    return np.concatenate([kernel, mean], axis=-2) * (old / channels)


def _channel_notes(layer: keras.layers.Layer, source: keras.layers.Layer) -> list[str]:
    kernel, other = _image_kernel(layer), _image_kernel(source)
    if kernel is None or other is None or kernel.shape[-2] == other.shape[-2]:
        return []
    new, old = kernel.shape[-2], other.shape[-2]
    if new == 1:
        how = "was summed over channels"
    elif new < old:
        how = f"keeps {new} channels, and the others were added to them in equal parts"
    else:
        how = f"was extended by its mean over channels and multiplied by {old}/{new}"
    return [
        f"The weights read images of {old} channels and the model reads {new}: the first kernel "
        f"{how}."
    ]


def _classifier_note(layer: keras.layers.Layer, source: keras.layers.Layer | None) -> str:
    own, units = (getattr(each, "units", None) for each in (layer, source))
    of_classes = "" if own is None else f" of {own} classes"
    found = "no classifier" if units is None else f"a classifier of {units} classes"
    return f"The classifier{of_classes} keeps its own values, because the weights have {found}."
