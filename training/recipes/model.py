"""The model of a recipe."""

from collections.abc import Callable
from typing import Any

import keras

from keras_cabvit import CabViTH, CabViTP, list_models
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.weights.counterpart import size_multiple
from training.recipes.recipe import ModelOptions

_BUILDERS: dict[str, Callable[..., keras.Model]] = {"hybrid": CabViTH, "plain": CabViTP}
_FAMILIES = {"CabViTH": "hybrid", "CabViTP": "plain"}
# Fields of the recipe that are not arguments of a builder.
_OTHER_FIELDS = (
    "variant",
    "image_size",
    "image_sizes",
    "initial_weights",
    "initial_classifier",
)


def build_model(options: ModelOptions, classes: int) -> keras.Model:
    """Builds the model that a recipe names.

    Args:
        options: `ModelOptions`. Its `initial_weights` are left to `start_from_weights`, and its
            `image_sizes`, which are checked here, to `compiled_model`.
        classes: integer, the number of classes.

    Returns:
        A `keras.Model` from pixels in [0, 255] to probabilities, with random weights.

    Raises:
        ValueError: an option does not belong to that variant.
    """
    check_variant(options.variant)
    variant = VARIANTS.get(options.variant)
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
    model = _BUILDERS[family](
        **sizes,
        classes=classes,
        input_shape=(*options.image_size, 3),
        name=options.variant.lower(),
    )
    if options.image_sizes is not None:
        _check_image_sizes(options, size_multiple(model))
    return model


def check_variant(name: str) -> None:
    """Raises ValueError unless `name` is that of a variant, or CabViTH or CabViTP."""
    names = [*list_models(), *_FAMILIES]
    if name not in names:
        raise ValueError(f"`variant` must be one of {', '.join(names)}. Received: variant={name!r}")


def _check_image_sizes(options: ModelOptions, multiple: int) -> None:
    sides, (height, width) = options.image_sizes or (), options.image_size
    fit = len(set(sides)) > 1 and all(side > 0 and side % multiple == 0 for side in sides)
    if not fit or height != width or max(sides) != height:
        raise ValueError(
            f"`image_sizes` must have two or more different sides, multiples of {multiple}, of "
            "which the largest is the side of a square `image_size`. Received: "
            f"image_sizes={tuple(sides)}, image_size={(height, width)}"
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
