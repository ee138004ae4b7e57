"""The choice of what a fine-tuning run leaves open: weights, image size, epochs, learning rates."""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from keras_cabvit.models.variants import VARIANTS, variant_of
from keras_cabvit.weights import PRETRAINED
from keras_cabvit.weights.cache import weights_path
from training.recipes.dotted import with_fields
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
# Before the validation images are scored, and after.
_CHECKPOINTS_PER_EPOCH = 2


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
        seconds_per_checkpoint: float, time of writing a checkpoint.
    """

    images_per_second: float
    seconds_before: float = 0.0
    seconds_per_checkpoint: float = 0.0


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
        epoch += _CHECKPOINTS_PER_EPOCH * rate.seconds_per_checkpoint
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
    decisions = _Decisions(recipe, set(fields))
    if recipe.model.image_sizes and "model.image_size" in fields:
        decisions.fields.remove("model.image_size")
        largest = max(recipe.model.image_sizes)
        decisions.recipe = with_fields(recipe, {"model.image_size": (largest, largest)})
    start = _start(recipe.model, decisions.fields)
    _decide_start(decisions, start)
    _decide_steps(decisions, images)
    side, reason = _side(start, images)
    decisions.decide("model.image_size", (side, side), reason)
    if time is None:
        _decide_epochs(decisions, images)
    else:
        _decide_epochs_by_time(decisions, images, time, side, is_new=start.weights is None)
    decisions.decide(
        "optimization.warmup_epochs",
        min(2.0, decisions.recipe.epochs / 4),
        "the learning rate rises first",
    )
    return decisions.recipe, list(decisions.chosen.values())


@dataclass
class _Decisions:
    """A recipe, and what was chosen in it so far.

    Attributes:
        recipe: `Recipe`.
        fields: dotted names of the fields that can be chosen; the others are kept.
        chosen: dict from the names of fields to the last `Chosen` of each.
    """

    recipe: Recipe
    fields: set[str]
    chosen: dict[str, Chosen] = dataclasses.field(default_factory=dict)

    def decide(self, name: str, value: Any, reason: str) -> None:
        """Gives a field a value, if it can be chosen."""
        if name in self.fields:
            self.recipe = with_fields(self.recipe, {name: value})
            self.chosen[name] = Chosen(name, value, reason)

    def least_epochs(self) -> int:
        """Returns the fewest epochs: those that are given, or those of a warm-up that is."""
        if "epochs" not in self.fields:
            return self.recipe.epochs
        if "optimization.warmup_epochs" in self.fields:
            return 1
        return max(1, math.ceil(self.recipe.optimization.warmup_epochs))


def _decide_start(decisions: _Decisions, start: "_Start") -> None:
    """Decides what follows from the weights to start from."""
    of_weights = start.weights is not None
    decisions.decide(
        "model.variant", start.variant, "that of the weights" if of_weights else start.reason
    )
    decisions.decide("model.initial_weights", start.weights, start.reason)
    if of_weights:
        decisions.decide("optimization.layer_decay", 0.85, "early layers need to change less")
    else:
        decisions.decide("model.layer_scale_init", 0.1, "1e-6 suits 300 epochs of ImageNet")
        decisions.decide("optimization.layer_decay", 1.0, "all layers are new")


def _decide_steps(decisions: _Decisions, images: Images) -> None:
    """Decides the batch size and, by it, the learning rate."""
    decisions.decide("batch_size", *_batch_size(images))
    recipe = decisions.recipe
    images_per_step = recipe.batch_size * recipe.optimization.accumulation_steps
    rate = _LEARNING_RATE * math.sqrt(images_per_step / _BATCH_SIZE)
    decisions.decide(
        "optimization.learning_rate", float(f"{rate:.2g}"), f"batches of {images_per_step}"
    )


def _usual_epochs(images: Images) -> int:
    """Returns the epochs of a run without a limit of time."""
    return min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_VIEWS / images.training)))


def _decide_epochs(decisions: _Decisions, images: Images) -> None:
    usual, least = _usual_epochs(images), decisions.least_epochs()
    if usual < least:
        decisions.decide("epochs", least, "those of the warm-up")
    else:
        decisions.decide("epochs", usual, f"{usual * images.training:,} training images in all")


def _decide_epochs_by_time(
    decisions: _Decisions, images: Images, time: Time, side: int, is_new: bool
) -> None:
    """Decides the epochs that fit into the time, and a smaller image size if they are too few.

    Args:
        decisions: `_Decisions`.
        images: `Images`.
        time: `Time`.
        side: integer, the side of the images in pixels that was decided.
        is_new: whether all layers are new.

    Raises:
        ValueError: the time is too short.
    """
    fields, usual, least = decisions.fields, _usual_epochs(images), decisions.least_epochs()
    enough = max(least, math.ceil(usual / _TIMES)) if "epochs" in fields else least
    fitting = time.epochs(decisions.recipe, images)
    while fitting < enough and "model.image_size" in fields and side > _SMALLEST_SIDE:
        side = _smaller(side, fitting / enough)
        decisions.decide(
            "model.image_size", (side, side), "a larger one would leave time for few epochs"
        )
        fitting = time.epochs(decisions.recipe, images)
    if fitting < least:
        shorter = "epochs" in fields and least > 1
        remedy = "a shorter warm-up (--optimization.warmup-epochs), " if shorter else ""
        raise ValueError(
            f"The time is too short for {'one epoch' if least == 1 else f'{least} epochs'}: "
            f"give more --minutes, {remedy}or a smaller --model.image-size."
        )
    most = max(_TIMES * usual, least)
    if is_new:
        most = fitting  # a training from random weights goes on to improve
    elif "optimization.learning_rate" not in fields:
        most = max(most, decisions.recipe.epochs)  # a schedule of its own
    reason = "as many as fit into the time"
    if fitting > most:
        reason = "more would fit into the time, and change nothing"
    decisions.decide("epochs", min(fitting, most), reason)


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
