"""The model of a recipe, with its initial weights."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_cabvit import CabViTH, CabViTP, list_models
from keras_cabvit.models import build_variant
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.paths import local_path
from keras_cabvit.weights import describe_hdf5, load_weights, transfer_weights
from training.recipes.recipe import ModelOptions

_BUILDERS: dict[str, Callable[..., keras.Model]] = {"hybrid": CabViTH, "plain": CabViTP}
_FAMILIES = {"CabViTH": "hybrid", "CabViTP": "plain"}
# Fields of the recipe that are not arguments of a builder.
_OTHER_FIELDS = ("variant", "image_size", "initial_weights")


def build_model(options: ModelOptions, classes: int) -> keras.Model:
    """Builds the model that a recipe names.

    Args:
        options: `ModelOptions`.
        classes: integer, the number of classes.

    Returns:
        A `keras.Model` from pixels in [0, 255] to probabilities.

    Raises:
        ValueError: an option does not belong to that variant, or the initial weights do not fit.
    """
    model = _build(options, classes=classes)
    if options.initial_weights is not None:
        _transfer(model, options, classes)
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
        raise ValueError("`patch_size` belongs to plain models; a hybrid model has no patches.")
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


def initial_weights_file(options: ModelOptions) -> Path | None:
    """Returns the path of the initial weights; None without any, or with "imagenet".

    Args:
        options: `ModelOptions`.

    Raises:
        ValueError: there is no such file, or no "imagenet" for the variant.
    """
    chosen = options.initial_weights
    if chosen == "imagenet" and options.variant not in VARIANTS:
        raise ValueError(
            '`initial_weights="imagenet"` needs one of the variants '
            f"{', '.join(list_models())}. Received: variant={options.variant!r}"
        )
    if chosen is None or chosen == "imagenet":
        return None
    path = local_path(chosen, "initial_weights")
    if not path.is_file():
        raise ValueError(
            '`initial_weights` must be "imagenet", or a .weights.h5 or .keras file, and there is '
            f"no such file. Received: initial_weights={str(chosen)!r}"
        )
    return path


def _transfer(model: keras.Model, options: ModelOptions, classes: int) -> None:
    """Copies the weights of another model; the classifier too, if it fits."""
    path = initial_weights_file(options)
    if path is None:
        source = build_variant(options.variant, weights="imagenet")
    elif path.name.endswith(".weights.h5"):
        source = _with_weights(options, classes, path)
    else:
        try:
            source = keras.saving.load_model(path, compile=False)
        except Exception as error:  # the errors of a damaged file have no common class
            found = describe_hdf5(path) or f"{path} is not a Keras model. {error}"
            raise ValueError(f"`initial_weights`: {found}") from error
    try:
        transfer_weights(model, source)
    except ValueError as error:
        raise ValueError(
            f"`initial_weights`: {options.initial_weights} does not fit this variant. {error}"
        ) from error


def _with_weights(options: ModelOptions, classes: int, path: Path) -> keras.Model:
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
