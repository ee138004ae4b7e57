"""Transfer of weights to a model for images of another size."""

import keras
import numpy as np

_CLASSIFIER = "predictions"
# Weights with one value per position of the token grid: the axes of its rows and columns.
_PLACES = {"patch_positions": (0, 1), "digest_scale": (1, 2), "digest_bias": (2, 3)}
# Weights with one value per distance on the grid.
_DISTANCES = {"position_bias": (1, 2)}


def transfer_weights(model: keras.Model, source: keras.Model, classifier: bool = True) -> None:
    """Copies the weights of a model with another image size or other classes, all or none.

    Weights with one value per position of a stage's token grid (biases and scale factors of digest
    tokens, the plain model's positions) are resampled to the model's grid, linearly between the
    centres of positions. The relative position bias is resampled between distances that are the
    same share of the image. The classifier is left unchanged if the source has none, or other
    classes.

    Args:
        model: a model of this library.
        source: a model with the same arguments except `input_shape`, `classes`, `drop_rate` and
            `drop_path_rate`.
        classifier: whether to copy the classifier, where it has as many classes.

    Raises:
        ValueError: the source is a different model. `model` is unchanged.

    Example:
        >>> small = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> large = keras_cabvit.CabViTH_T(input_shape=(96, 128, 3), classes=2)
        >>> keras_cabvit.weights.transfer_weights(large, small)
    """
    sources = {layer.name: layer for layer in source.layers}
    transfers = []
    for layer in model.layers:
        if not layer.weights or (layer.name == _CLASSIFIER and not classifier):
            continue
        found = sources.get(layer.name)
        values = None if found is None else _transferred(layer, found)
        if values is not None:
            transfers.append((layer, values))
        elif layer.name != _CLASSIFIER:
            raise ValueError(
                "The weights belong to another model: it must have the same arguments except "
                f"input_shape and classes. The first layer that does not fit is '{layer.name}'."
            )
    for layer, values in transfers:
        layer.set_weights(values)


def _transferred(layer: keras.layers.Layer, source: keras.layers.Layer) -> list[np.ndarray] | None:
    """Returns the new values of a layer's weights, or None if the source is of another kind."""
    if [weight.name for weight in layer.weights] != [weight.name for weight in source.weights]:
        return None
    values = []
    for weight, value in zip(layer.weights, source.get_weights(), strict=True):
        value = _resampled(np.array(value), weight.name, tuple(weight.shape))
        if value.shape != tuple(weight.shape):
            return None
        values.append(value)
    return values


def _resampled(value: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a weight's value resampled to the grid of a shape; other weights unchanged."""
    axes = _PLACES.get(name) or _DISTANCES.get(name) or ()
    if value.ndim != len(shape):
        return value
    for axis in axes:
        old, new = value.shape[axis], shape[axis]
        if old == new:
            continue
        at = np.arange(new) * old / new
        if name in _PLACES:
            at += 0.5 * old / new - 0.5  # from centre to centre
        value = np.apply_along_axis(_interpolated, axis, value, at).astype(value.dtype)
    return value


def _interpolated(line: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.interp(at, np.arange(len(line)), line)
