"""Normalisation of pixels for the models, and class names for their predictions."""

import functools
import json
from importlib import resources

import keras
import numpy as np
from keras import ops

from keras_cabvit.weights import tiny_imagenet_wordnet_ids

# Mean and standard deviation of ImageNet's pixels in [0, 1], per channel.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalization(**kwargs):
    """Returns the layer that normalises pixels in [0, 255] as the model was trained.

    Args:
        **kwargs: `name` and `dtype`; half precision would degrade the input of every later layer.
    """
    return keras.layers.Normalization(
        mean=[255 * value for value in IMAGENET_MEAN],
        variance=[(255 * value) ** 2 for value in IMAGENET_STD],
        **kwargs,
    )


def preprocess_input(x, data_format=None):
    """Returns its input: the models normalise pixels themselves.

    It exists so that code written for `keras.applications` runs unchanged. A model built with
    `include_preprocessing=False` expects `(x / 255 - mean) / std` instead, with mean (0.485, 0.456,
    0.406) and std (0.229, 0.224, 0.225). Grey images, for a model of one channel, take the
    averages of these: (x / 255 - 0.449) / 0.226.

    Args:
        x: array or tensor, pixels in [0, 255].
        data_format: accepted for compatibility, not used.

    Example:
        >>> pixels = np.zeros((1, 224, 224, 3))
        >>> keras_cabvit.preprocess_input(pixels) is pixels
        True
    """
    return x


def decode_predictions(preds, top=5):
    """Names the most probable classes of a model trained on ImageNet or on Tiny ImageNet.

    The number of classes tells which: 1,000 or 200.

    Args:
        preds: array or tensor (batch, 1000) or (batch, 200) of probabilities or logits.
        top: integer, the number of classes per image. Defaults to 5.

    Returns:
        A list per image of tuples (WordNet id, class name, score), the highest score first.

    Raises:
        ValueError: `preds` has another shape, or `top` is not between 1 and the number of classes.

    Example:
        >>> keras_cabvit.decode_predictions(np.eye(1, 1000), top=1)[0][0][:2]
        ('n01440764', 'tench')
    """
    preds = ops.convert_to_numpy(preds)
    if preds.ndim != 2 or preds.shape[1] not in _CLASSES:
        raise ValueError(
            "`preds` must be predictions for ImageNet's 1,000 classes, of shape (batch, 1000), or "
            "for Tiny ImageNet's 200, of shape (batch, 200); a model with other classes has their "
            f"names in labels.txt. Received: shape {preds.shape}"
        )
    count = preds.shape[1]
    if not 1 <= top <= count:
        raise ValueError(f"`top` must be between 1 and {count}. Received: top={top}")
    classes = _CLASSES[count]()
    # As floats: the negative of an unsigned integer is another one.
    best = np.argsort(-preds.astype("float64"), axis=1, kind="stable")[:, :top]
    return [
        [(*classes[index], scores[index]) for index in indices]
        for indices, scores in zip(best, preds, strict=True)
    ]


@functools.cache
def _imagenet_classes():
    """Returns 1,000 tuples (WordNet id, class name), read on first use."""
    text = (
        resources.files("keras_cabvit.models").joinpath("imagenet_classes.json").read_text("utf-8")
    )
    return [tuple(entry) for entry in json.loads(text)]


@functools.cache
def _tiny_imagenet_classes():
    """Returns 200 tuples (WordNet id, class name): some of ImageNet's classes."""
    names = dict(_imagenet_classes())
    return [(identifier, names[identifier]) for identifier in tiny_imagenet_wordnet_ids()]


# Class names by their number.
_CLASSES = {1000: _imagenet_classes, 200: _tiny_imagenet_classes}
