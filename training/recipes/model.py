"""The model of a recipe, with its initial weights."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cabvit import CabViTH, CabViTP, list_models
from keras_cabvit.data.class_names import match_classes
from keras_cabvit.export.labels import read_labels
from keras_cabvit.models import build_variant
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.weights import load_weights, transfer_weights
from training.recipes.recipe import ModelOptions

_BUILDERS: dict[str, Callable[..., keras.Model]] = {"hybrid": CabViTH, "plain": CabViTP}
_FAMILIES = {"CabViTH": "hybrid", "CabViTP": "plain"}
_CLASSIFIER = "predictions"
# Fields of the recipe that are not arguments of a builder.
_OTHER_FIELDS = ("variant", "image_size", "initial_weights")


def build_model(
    options: ModelOptions, classes: int, class_names: Sequence[str] | None = None
) -> keras.Model:
    """Builds the model that a recipe names.

    Args:
        options: `ModelOptions`.
        classes: integer, the number of classes.
        class_names: strings, their names in order. If a `labels.txt` beside the initial weights
            names their classes too, the classifier is copied class by class, or starts anew if they
            are others. Without names it is copied if it has as many classes.

    Returns:
        A `keras.Model` from pixels in [0, 255] to probabilities.

    Raises:
        ValueError: an option does not belong to that variant, or the initial weights do not fit.
    """
    model = _build(options, classes=classes)
    if options.initial_weights is not None:
        anew = model.get_layer(_CLASSIFIER).get_weights()
        source = _transfer(model, options, classes)
        if class_names is not None and options.initial_weights != "imagenet":
            _match_classifier(model, source, anew, str(options.initial_weights), class_names)
    return model


def _build(options: ModelOptions, **arguments: Any) -> keras.Model:
    variant = VARIANTS.get(options.variant)
    if variant is None and options.variant not in _FAMILIES:
        raise ValueError(
            f"`variant` must be one of {', '.join([*list_models(), *_FAMILIES])}. "
            f"Received: variant={options.variant!r}"
        )
    family = variant.family if variant else _FAMILIES[options.variant]
    sizes = dict(variant.arguments) if variant else {}
    chosen = {
        name: value
        for name, value in vars(options).items()
        if value is not None and name not in _OTHER_FIELDS
    }
    if family == "plain":
        chosen = _plain_sizes(chosen)
    elif "patch_size" in chosen:
        raise ValueError(
            "`patch_size` belongs to plain models; a hybrid model has no patches. Received: "
            f"patch_size={options.patch_size} with variant={options.variant!r}"
        )
    sizes |= chosen
    needed = ("embed_dims", "depths", "num_heads")
    if variant is None and any(getattr(options, name) is None for name in needed):
        raise ValueError(
            f"`variant={options.variant}` has no sizes of its own: give {', '.join(needed)}, or "
            f"name one of {', '.join(list_models())}."
        )
    return _BUILDERS[family](
        **sizes,
        **arguments,
        input_shape=(*options.image_size, 3),
        name=options.variant.lower(),
    )


def _plain_sizes(chosen: dict[str, Any]) -> dict[str, Any]:
    """Converts lists of one number to the numbers that the plain builder takes."""
    singular = {"embed_dims": "embed_dim", "depths": "depth", "num_heads": "num_heads"}
    for plural, name in singular.items():
        if plural in chosen:
            values = chosen.pop(plural)
            if len(values) != 1:
                raise ValueError(
                    f"`{plural}` must be one number for a plain model. Received: {values}"
                )
            (chosen[name],) = values
    return chosen


def _transfer(model: keras.Model, options: ModelOptions, classes: int) -> keras.Model:
    """Copies the weights of another model, and returns it; the classifier too, if it fits."""
    path = str(options.initial_weights)
    if path == "imagenet":
        if options.variant not in VARIANTS:
            raise ValueError(
                '`initial_weights="imagenet"` needs one of the variants '
                f"{', '.join(list_models())}. Received: variant={options.variant!r}"
            )
        source = build_variant(options.variant, weights="imagenet")
    elif not Path(path).is_file():
        raise ValueError(
            '`initial_weights` must be "imagenet", or a .weights.h5 or .keras file, and there is '
            f"no such file. Received: initial_weights={path!r}"
        )
    elif path.endswith(".weights.h5"):
        source = _with_weights(options, classes, path)
    else:
        try:
            source = keras.saving.load_model(path, compile=False)
        except Exception as error:  # the errors of a damaged file have no common class
            raise ValueError(f"`initial_weights`: {path} is not a Keras model. {error}") from error
    try:
        transfer_weights(model, source)
    except ValueError as error:
        raise ValueError(f"`initial_weights`: {path} does not fit this variant. {error}") from error
    return source


def _match_classifier(
    model: keras.Model,
    source: keras.Model,
    anew: list[np.ndarray],
    path: str,
    class_names: Sequence[str],
) -> None:
    """Copies a source's classifier class by class, by the names in `labels.txt` beside its file.

    Args:
        model: the model, with all other weights copied.
        source: the model that they come from.
        anew: initial weights of the model's classifier, which it gets if its classes are others.
        path: the source's file.
        class_names: strings, the classes of `model` in order.
    """
    labels = Path(path).with_name("labels.txt")
    heads = [layer for layer in source.layers if layer.name == _CLASSIFIER]
    if not heads or not labels.is_file():
        return
    (head,) = heads
    try:
        names = read_labels(labels, head.units)
        match = match_classes(names, class_names, model=path, data="the data")
    except ValueError:  # other classes, or the labels of another file
        model.get_layer(_CLASSIFIER).set_weights(anew)
        print(f"{path} was trained on other classes: the classifier starts anew.")
        return
    values = [value[..., list(match.positions)] for value in head.get_weights()]
    model.get_layer(_CLASSIFIER).set_weights(values)
    for note in match.notes:
        print(note)


def _with_weights(options: ModelOptions, classes: int, path: str) -> keras.Model:
    """Returns a model with the weights of a file, without the classifier if that does not fit."""
    model = _build(options, classes=classes)
    try:
        with warnings.catch_warnings():
            # Keras warns of every layer that does not fit, and then raises.
            warnings.simplefilter("ignore", UserWarning)
            load_weights(model, path)
    except ValueError:
        pooling = "token" if len(model.layers[-2].output.shape) == 3 else "avg"
        model = _build(options, include_top=False, pooling=pooling)
        load_weights(model, path)
    return model
