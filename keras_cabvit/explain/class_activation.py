"""Grad-CAM: the places that raise the score of a class."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from keras_cabvit.explain.attention import BATCH_SIZE
from keras_cabvit.explain.backends import gradient
from keras_cabvit.explain.blocks import Block, blocks_of, chosen_blocks
from keras_cabvit.explain.recording import batches, checked_images
from keras_cabvit.explain.replaced_calls import replaced
from keras_cabvit.layers.own_call import check_no_own_call
from keras_cabvit.runtimes.classifier_activation import classifier_activation, producer

_LARGEST_SCORE = -1  # instead of a class


def grad_cam(
    model: keras.Model,
    images: npt.ArrayLike,
    classes: npt.ArrayLike | None = None,
    block: str | None = None,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """Returns the places that raise the score of a class (Selvaraju et al. 2017, Grad-CAM).

    The tokens that a block outputs are summed over their channels, each channel weighted by the
    mean over places of the gradient of the class's score, and negative sums are set to 0. The score
    is the one before the softmax: the softmax is taken off the model's last layer meanwhile.

    Args:
        model: Keras classifier with one or more CabViT stages, even in a model nested in it. It is
            not changed.
        images: array (count, height, width, channels), as the model takes them.
        classes: number of the class to explain, or one for each image. None, the default, is the
            predicted class of each image.
        block: name of the block, from `block_names`. None, the default, is the last one; if the
            model has a class token, the last but one, because the class token alone reaches the
            classifier.
        batch_size: integer, images at a time. Defaults to 32.

    Returns:
        A float32 array (count, height, width) in tokens of the block, at least 0. Compare values
        within an image only. All are 0 if no place raises the score.

    Raises:
        NotAClassifier: a ValueError; the model has no classifier, or is not functional.
        ValueError: `classes` are not numbers of classes, there is no such block, or see
            `attention_maps`.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=8, input_shape=(64, 96, 3))
        >>> images = np.full((1, 64, 96, 3), 99.0, "float32")
        >>> keras_cabvit.explain.grad_cam(model, images, classes=3).shape
        (1, 8, 12)
    """
    chosen = _chosen_block(model, block)
    activation = classifier_activation(model, f"'{model.name}'")
    images = checked_images(model, images)
    targets = _class_numbers(classes, len(images), max(2, model.output_shape[-1]))
    probe: dict[str, Any] = {}

    def with_probe(layer: Any, call: Callable) -> Callable:
        def call_with_probe(*args: Any, **kwargs: Any) -> Any:
            outputs = call(*args, **kwargs)
            tokens, *others = outputs if isinstance(outputs, tuple) else (outputs,)
            probe["tokens"] = tokens
            tokens = tokens + probe["zeros"]
            return (tokens, *others) if others else tokens

        return call_with_probe

    def score(given: Any, zeros: Any) -> tuple[Any, Any]:
        pixels, numbers = given
        probe["zeros"] = zeros
        scores = model(pixels, training=False)
        if activation == "sigmoid":
            scores = ops.concatenate([-scores, scores], axis=-1)
        numbers = ops.where(numbers < 0, ops.argmax(scores, axis=-1), numbers)
        chosen_scores = scores * ops.one_hot(numbers, scores.shape[-1], dtype=scores.dtype)
        return ops.sum(chosen_scores), probe["tokens"]

    function = gradient(model, score)
    maps = []
    for number, batch in enumerate(batches(images, batch_size)):
        start = number * batch_size
        given = (
            ops.convert_to_tensor(batch),
            ops.convert_to_tensor(targets[start : start + batch_size]),
        )
        zeros = ops.zeros(_output_shape(chosen, len(batch)), chosen.layer.compute_dtype)
        with replaced([chosen.layer], with_probe), _scores_before_activation(model, activation):
            gradients, tokens = function(given, zeros)
        maps.append(_weighted_map(_as_float32(gradients), _as_float32(tokens), chosen))
    probe.clear()
    return np.concatenate(maps)


def _weighted_map(gradients: np.ndarray, tokens: np.ndarray, block: Block) -> np.ndarray:
    """Returns the map (batch, height, width) of the channels weighted by their mean gradients."""
    height, width = block.grid
    gradients, tokens = (
        each.reshape(len(each), block.tokens, -1)[:, block.prefix :] for each in (gradients, tokens)
    )
    weights = gradients.mean(axis=1, keepdims=True)
    return np.maximum((weights * tokens).sum(axis=-1), 0).reshape(-1, height, width)


def _as_float32(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def _chosen_block(model: keras.Model, name: str | None) -> Block:
    if name is not None:
        return next(iter(chosen_blocks(model, name).values()))
    blocks = list(blocks_of(model).values())
    if not blocks[-1].prefix:
        return blocks[-1]
    if len(blocks) == 1:
        raise ValueError(
            f"'{model.name}' has one block and a class token: no place's output of it reaches the "
            "classifier, so there is no Grad-CAM. Use a model with two blocks or more."
        )
    return blocks[-2]


def _output_shape(block: Block, batch: int) -> tuple[int, ...]:
    channels = block.layer.attention.projection.units
    if block.layer.attention.grid is None:
        return (batch, *block.grid, channels)
    return batch, block.tokens, channels


def _class_numbers(classes: npt.ArrayLike | None, count: int, available: int) -> np.ndarray:
    """Returns one class per image, int32 (count,)."""
    if classes is None:
        return np.full(count, _LARGEST_SCORE, "int32")
    numbers = np.asarray(classes)
    whole = numbers.dtype.kind in "iu" and numbers.shape in ((), (count,))
    if not whole or numbers.min() < 0 or numbers.max() >= available:
        raise ValueError(
            f"`classes` must be a number from 0 to {available - 1}, or {count} of them, one per "
            f"image. Received: classes={classes!r}"
        )
    return np.broadcast_to(numbers, count).astype("int32")


@contextlib.contextmanager
def _scores_before_activation(model: keras.Model, activation: str | None) -> Iterator[None]:
    """Takes the softmax or sigmoid off a model's last layer until the block ends."""
    if activation == "linear":
        yield
        return
    check_no_own_call(model)
    layer = _activating_operation(model.outputs[0])
    own = getattr(layer, "activation", None)
    name = "activation" if own is not None and hasattr(layer, "kernel") else "call"
    if name == "call" and not isinstance(layer, (keras.layers.Softmax, keras.layers.Activation)):
        raise ValueError(
            f"'{model.name}' ends in '{layer.name}', from which the softmax cannot be taken off to "
            "get scores. End it in a Dense layer with a softmax, in a Softmax layer or in logits."
        )
    with replaced([layer], lambda layer, original: lambda x, *args, **kwargs: x, name):
        yield


def _activating_operation(tensor: Any) -> Any:
    """Returns the operation that a symbolic tensor comes from, of a nested model its last one.

    A linear `Activation`, which only changes the type, is passed over.
    """
    operation, given = producer(tensor)
    if isinstance(operation, keras.Model):
        return _activating_operation(operation.outputs[0])
    if getattr(operation, "activation", None) is keras.activations.linear and not operation.weights:
        return _activating_operation(given[0])
    return operation
