"""Starting a model from the weights of another."""

import contextlib
import dataclasses
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_cabvit.export.labels import read_labels
from keras_cabvit.models.variants import VARIANTS, build_variant, variant_of
from keras_cabvit.weights import (
    PRETRAINED,
    load_weights,
    stored_sizes,
    tiny_imagenet_wordnet_ids,
    transfer_weights,
)
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions


def start_from_weights(
    model: keras.Model, options: ModelOptions, class_names: Sequence[str] | None = None
) -> str:
    """Copies the initial weights that the options name into a model of any image size.

    The classifier is copied only if the weights are known to have the same classes in the same
    order, or if `options.initial_classifier` says so.

    Args:
        model: model that was built from `options`.
        options: `ModelOptions` with `initial_weights`.
        class_names: names of the model's classes; None if they are unknown.

    Returns:
        A sentence that says what was copied.

    Raises:
        ValueError: there are no such weights, or they belong to another model. `model` is
            unchanged.
    """
    path = str(options.initial_weights)
    if path in PRETRAINED:
        source, names = _pretrained(path, options.variant)
    elif Path(path).is_file():
        source, names = _stored(path, options), _labels_beside(path)
    else:
        raise ValueError(
            f"`initial_weights` must be one of {', '.join(PRETRAINED)}, or a .weights.h5 or .keras "
            f"file, and there is no such file. Received: initial_weights={path!r}"
        )
    copied = options.initial_classifier
    if copied is None:
        copied = class_names is not None and names is not None and _same(class_names, names)
    classes = source.output_shape[-1]
    if copied and classes != model.output_shape[-1]:
        raise ValueError(
            f"`initial_classifier` must be False for weights of {classes} classes: the model has "
            f"{model.output_shape[-1]}."
        )
    try:
        transfer_weights(model, source, classifier=copied)
    except ValueError as error:
        raise ValueError(f"`initial_weights`: {_misfit(path, options)} {error}") from error
    return _sentence(path, source, model, copied)


def _pretrained(name: str, variant: str) -> tuple[keras.Model, list[str] | None]:
    if variant not in VARIANTS:
        raise ValueError(
            f'`initial_weights="{name}"` needs one of the variants {", ".join(VARIANTS)}. '
            f"Received: variant={variant!r}"
        )
    names = tiny_imagenet_wordnet_ids() if name == "tiny_imagenet" else None
    return build_variant(variant, weights=name), names


def _stored(path: str, options: ModelOptions) -> keras.Model:
    """Returns the model of a file, at the image size and with the classes that it was saved with.

    A `.weights.h5` file holds no model: it is built from the options, at the stored size.
    """
    if path.endswith(".weights.h5"):
        sizes = stored_sizes(path)
        options = dataclasses.replace(
            options, image_size=sizes.image_size, initial_weights=None, drop_path_rate=None
        )
        model = build_model(options, sizes.classes or 1)
        if sizes.classes is None:
            model = keras.Model(model.input, model.get_layer("head_norm").output)
        try:
            with warnings.catch_warnings():
                # Keras warns of every layer that does not fit, and then raises.
                warnings.simplefilter("ignore", UserWarning)
                load_weights(model, path)
        except ValueError as error:
            raise ValueError(f"`initial_weights`: {_misfit(path, options)} {error}") from error
        return model
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # the errors of a damaged file have no common class
        raise ValueError(f"`initial_weights`: {path} is not a Keras model. {error}") from error


def _misfit(path: str, options: ModelOptions) -> str:
    """Returns a sentence on weights that belong to another model."""
    stored = None
    if Path(path).is_file():
        with contextlib.suppress(ValueError):
            stored, _ = variant_of(path)
    if stored is None or stored == options.variant:
        return f"{path} does not fit this variant."
    return (
        f"{path} holds weights of {stored}, and the model is {options.variant}: give "
        f"--model.variant {stored}."
    )


def _labels_beside(path: str) -> list[str] | None:
    labels = Path(path).with_name("labels.txt")
    return read_labels(labels, None) if labels.is_file() else None


def _same(names: Sequence[str], others: Sequence[str]) -> bool:
    """Returns whether two lists of class names agree, whichever way their accents are encoded."""
    return [unicodedata.normalize("NFC", name) for name in names] == [
        unicodedata.normalize("NFC", name) for name in others
    ]


def _sentence(path: str, source: keras.Model, model: keras.Model, copied: bool) -> str:
    height, width = source.input_shape[1:3]
    text = f"Starting from the weights {path} ({width}x{height}): all layers"
    if (height, width) != tuple(model.input_shape[1:3]):
        text += f", resampled to {model.input_shape[2]}x{model.input_shape[1]}"
    if copied:
        return f"{text}, with the classifier."
    return f"{text} but the classifier, which is new."
