"""The choice of what a fine-tuning run leaves open: weights, image size, epochs, learning rates."""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from keras_cabvit.models.variants import VARIANTS, variant_of
from keras_cabvit.weights import PRETRAINED
from keras_cabvit.weights.cache import weights_path
from training.recipes.initial_weights import initial_weights_file
from training.recipes.recipe import ModelOptions, Recipe

# Dotted names of the fields that can be chosen.
FIELDS = (
    "model.variant",
    "model.initial_weights",
    "model.layer_scale_init",
    "model.image_size",
    "optimization.layer_decay",
    "optimization.learning_rate",
    "optimization.warmup_epochs",
    "batch_size",
    "epochs",
)
# Side of the images in pixels, unless the weights were trained on larger ones. A larger side shows
# more, and costs time in proportion to its square.
_SIDE = 128
_SIDE_STEP = 32
_SMALLEST_SIDE = 64
_BATCH_SIZE = 64
_LEARNING_RATE = 2e-3
# Steps per epoch below which the batch is halved, and the smallest that is still efficient.
_FEW_STEPS = 10
_SMALLEST_BATCH = 16
# Without a limit of time, a run has as many epochs as show about this many training images in all,
# within these bounds. With less than a third of these epochs a smaller side does better, and more
# than three times as many change nothing.
_VIEWS = 120_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 12, 100
_TIMES = 3
# Seconds before the first step and after the last: reading the data, compiling, scores, figures.
_SECONDS_BESIDES = 75.0
# A computer is not equally fast in every minute.
_PLANNED_SHARE = 0.93
# Time of scoring an image as a share of that of training on it.
_SCORING_SHARE = 0.35


@dataclass(frozen=True)
class Images:
    """The images of a run.

    Attributes:
        training: integer, the training images.
        validation: integer, the validation images, all of which every epoch scores.
        shorter_side: integer, the median of their shorter sides in pixels; None if unknown.
    """

    training: int
    validation: int
    shorter_side: int | None


@dataclass(frozen=True)
class Rate:
    """The time that training takes on a computer.

    Attributes:
        images_per_second: float, images that are read, augmented and trained on per second.
        seconds_before: float, time before the first epoch, for reduced copies of large photographs.
    """

    images_per_second: float
    seconds_before: float = 0.0


@dataclass(frozen=True)
class Time:
    """The time that is left for a run.

    Attributes:
        seconds_left: function that returns the seconds that are left when it is called: each
            measurement of a rate takes some of them.
        rate: function that measures the `Rate` of a recipe.
    """

    seconds_left: Callable[[], float]
    rate: Callable[[Recipe], Rate]

    def epochs(self, recipe: Recipe, images: Images) -> int:
        """Returns how many epochs of a recipe fit."""
        rate = self.rate(recipe)
        epoch = (images.training + _SCORING_SHARE * images.validation) / rate.images_per_second
        besides = _SECONDS_BESIDES + rate.seconds_before
        return max(0, int((_PLANNED_SHARE * self.seconds_left() - besides) / epoch))


@dataclass(frozen=True)
class Chosen:
    """A field that was chosen.

    Attributes:
        name: its dotted name.
        value: its value.
        reason: a few words.
    """

    name: str
    value: Any
    reason: str


def choose(
    recipe: Recipe, fields: Collection[str], images: Images, time: Time | None = None
) -> tuple[Recipe, list[Chosen]]:
    """Chooses fields of a recipe by the available weights, the images and the time.

    Args:
        recipe: `Recipe`, whose other fields are kept.
        fields: names from `FIELDS`.
        images: `Images`.
        time: `Time`; None sets no limit.

    Returns:
        The `Recipe`, and a list of what was chosen.

    Raises:
        ValueError: the initial weights do not exist, or the time is too short for one epoch.
    """
    chosen: list[Chosen] = []

    def decide(name: str, value: Any, reason: str) -> None:
        nonlocal recipe
        if name in fields:
            recipe = with_fields(recipe, {name: value})
            chosen.append(Chosen(name, value, reason))

    if recipe.model.image_sizes and "model.image_size" in fields:
        fields = set(fields) - {"model.image_size"}
        largest = max(recipe.model.image_sizes)
        recipe = with_fields(recipe, {"model.image_size": (largest, largest)})
    start = _start(recipe.model, fields)
    decide("model.variant", start.variant, "that of the weights" if start.weights else start.reason)
    decide("model.initial_weights", start.weights, start.reason)
    if start.weights is None:
        decide("model.layer_scale_init", 0.1, "1e-6 suits 300 epochs of ImageNet")
        decide("optimization.layer_decay", 1.0, "all layers are new")
    else:
        decide("optimization.layer_decay", 0.85, "early layers need to change less")
    decide("batch_size", *_batch_size(images))
    images_per_step = recipe.batch_size * recipe.optimization.accumulation_steps
    rate = _LEARNING_RATE * math.sqrt(images_per_step / _BATCH_SIZE)
    decide("optimization.learning_rate", float(f"{rate:.2g}"), f"batches of {images_per_step}")
    side, reason = _side(start, images)
    decide("model.image_size", (side, side), reason)

    usual = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_VIEWS / images.training)))
    # Those of a warm-up that is given.
    rising = 0 if "optimization.warmup_epochs" in fields else recipe.optimization.warmup_epochs
    least = max(1, math.ceil(rising)) if "epochs" in fields else recipe.epochs
    if time is None:
        reason = f"{usual * images.training:,} training images in all"
        if usual < least:
            reason = "those of the warm-up"
        decide("epochs", max(usual, least), reason)
    else:
        fewest = max(least, math.ceil(usual / _TIMES)) if "epochs" in fields else recipe.epochs
        fitting = time.epochs(recipe, images)
        while fitting < fewest and "model.image_size" in fields and side > _SMALLEST_SIDE:
            side = _smaller(side, fitting / fewest)
            decide("model.image_size", (side, side), "a larger one would leave time for few epochs")
            fitting = time.epochs(recipe, images)
        if fitting < least:
            shorter = "epochs" in fields and least > 1
            remedy = "a shorter warm-up (--optimization.warmup-epochs), " if shorter else ""
            raise ValueError(
                f"The time is too short for {'one epoch' if least == 1 else f'{least} epochs'}: "
                f"give more --minutes, {remedy}or a smaller --model.image-size."
            )
        reason = "as many as fit into the time"
        most = max(_TIMES * usual, least)
        if start.weights is None:
            most = fitting  # a training from random weights goes on to improve
        elif "optimization.learning_rate" not in fields:
            most = max(most, recipe.epochs)  # a schedule of its own
        if fitting > most:
            reason = "more would fit into the time, and change nothing"
        decide("epochs", min(fitting, most), reason)
    decide(
        "optimization.warmup_epochs", min(2.0, recipe.epochs / 4), "the learning rate rises first"
    )
    # Of a field that was decided again, the last decision.
    return recipe, list({each.name: each for each in chosen}.values())


def with_fields(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """Returns a recipe with other values of some fields, given by their dotted names."""
    for name, value in values.items():
        group, _, field = name.rpartition(".")
        if group:
            changed = dataclasses.replace(getattr(recipe, group), **{field: value})
            recipe = dataclasses.replace(recipe, **{group: changed})
        else:
            recipe = dataclasses.replace(recipe, **{field: value})
    return recipe


def field_of(recipe: Recipe, name: str) -> Any:
    """Returns the value of a field, given by its dotted name."""
    group, _, field = name.rpartition(".")
    return getattr(getattr(recipe, group) if group else recipe, field)


@dataclass(frozen=True)
class _Start:
    """Weights to start from; without a name, all layers are new."""

    variant: str
    weights: str | None
    side: int | None
    reason: str


def _start(options: ModelOptions, fields: Collection[str]) -> _Start:
    """Returns the weights that the options name, else the best ones available."""
    if "model.initial_weights" in fields:
        variants = VARIANTS if "model.variant" in fields else (options.variant,)
        cached = [name for name in variants if weights_path(name).is_file()]
        if cached:
            side = PRETRAINED["imagenet"].image_size[0]
            return _Start(cached[0], "imagenet", side, "the best weights available")
        if "CabViTH_T" in variants:
            side = PRETRAINED["tiny_imagenet"].image_size[0]
            return _Start("CabViTH_T", "tiny_imagenet", side, "trained on photographs")
        return _Start(options.variant, None, None, f"no weights of {options.variant} are available")
    weights = options.initial_weights
    if weights is None:
        return _Start(options.variant, None, None, "the variant with weights in the package")
    if weights in PRETRAINED:
        side = PRETRAINED[weights].image_size[0]
        return _Start(options.variant, weights, side, f"the variant with weights {weights}")
    path = initial_weights_file(options)
    variant, stored = variant_of(path)
    return _Start(variant or options.variant, weights, min(stored.image_size), f"found in {path}")


def _batch_size(images: Images) -> tuple[int, str]:
    batch_size = _BATCH_SIZE
    while batch_size > _SMALLEST_BATCH and images.training < _FEW_STEPS * batch_size:
        batch_size //= 2
    batch_size = min(batch_size, images.training)
    steps = images.training // batch_size
    return batch_size, f"{steps:,} step{'s' * (steps != 1)} per epoch"


def _side(start: _Start, images: Images) -> tuple[int, str]:
    side, reason = _SIDE, "more details than at the 64 pixels of the weights"
    if start.side is not None and start.side >= _SIDE:
        side, reason = start.side, "that of the weights"
    if images.shorter_side is not None and images.shorter_side < side:
        whole = _SIDE_STEP * math.ceil(images.shorter_side / _SIDE_STEP)
        side = max(_SMALLEST_SIDE, min(side, whole))
        reason = f"{images.shorter_side} pixels are the images' shorter side"
    return side, reason


def _smaller(side: int, share: float) -> int:
    """Returns the largest smaller side at which an image takes at most a share of the time."""
    wanted = _SIDE_STEP * int(side * math.sqrt(share) / _SIDE_STEP)
    return max(_SMALLEST_SIDE, min(side - _SIDE_STEP, wanted))
