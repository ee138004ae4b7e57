"""Trains a recipe with JAX on one accelerator that holds all images in its memory."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_cabvit.atomic_files import temporary_path, write_text_atomically
from keras_cabvit.layers.numpy_arguments import is_positive_integer
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.paths import local_path
from keras_cabvit.weights import save_weights
from training.data.stratified import held_out
from training.in_memory.checks import check_for_memory
from training.optimization.compiled_model import precision
from training.optimization.optimizer import (
    check_final_learning_rate,
    learning_rate_schedule,
    make_optimizer,
)
from training.recipes.checks import check_recipe
from training.recipes.initial_weights import start_from_weights, stored_model, stored_variant
from training.recipes.model import build_model
from training.recipes.recipe import ModelOptions, Recipe
from training.run.options import check_seed

if TYPE_CHECKING:
    from training.in_memory.epoch import Images, Trainer


@dataclass(frozen=True)
class InMemoryOptions:
    """Options of a run besides its recipe.

    Attributes:
        images: `.npy` file of uint8 (images, height, width, 3). Images of another size than the
            model's are augmented at their own, then resized.
        labels: `.npy` file of integers (images,), from 0.
        out: folder of the run.
        seed: of the initial weights, the order of the images and their augmentation.
        split_seed: of the split into training and validation images.
        score_epochs: epochs from one scoring of the validation images to the next.
        minutes: minutes of training, without compilation; the recipe's epochs are replaced by as
            many as fit, by the time of the first one.
        teacher: `.keras` file, or `.weights.h5` file of a named variant, of any image size and the
            same classes, whose probabilities for the augmented images are the targets.
        teacher_share: weight of these probabilities in the targets, above 0, at most 1; the labels
            have the rest.
    """

    images: Path
    labels: Path
    out: Path
    seed: int = 0
    split_seed: int = 0
    score_epochs: int = 5
    minutes: float | None = None
    teacher: Path | None = None
    teacher_share: float = 0.9


def train_in_memory(recipe: Recipe, options: InMemoryOptions) -> Path:
    """Trains a model, and writes `model.weights.h5` and `run.json`.

    Nothing is decoded or transferred during training, images are augmented on the accelerator, and
    TensorFlow is not needed. The weights are the averages of the last epoch scored: both files are
    written whenever the validation images are scored, and replaced the next time.

    Args:
        recipe: `Recipe`.
        options: `InMemoryOptions`.

    Returns:
        The folder of the run.

    Raises:
        ValueError: Keras does not run on JAX, the recipe has something that is not implemented in
            JAX, a number is out of range, the arrays or the teacher do not fit the recipe, or `out`
            holds a run of `train`.
        OSError: a file cannot be read or written.
    """
    _check(recipe, options)
    options = replace(
        options,
        images=local_path(options.images, "images"),
        labels=local_path(options.labels, "labels"),
        out=local_path(options.out, "out"),
        teacher=None if options.teacher is None else local_path(options.teacher, "teacher"),
    )
    _check_out(options.out)
    # Creates the folder now, not after an epoch; and removes it if that fails.
    with temporary_path(options.out / "run.json"):
        _train(recipe, options)
    return options.out


def _train(recipe: Recipe, options: InMemoryOptions) -> None:
    """Trains, and writes the two files whenever the validation images are scored."""
    import jax

    training, validation = _images(recipe, options)
    steps = len(training.labels) // recipe.batch_size
    trainer = _trainer(recipe, options, _classes(training, validation), steps)
    run_epoch = trainer.compiled_epoch(training)
    score = trainer.scorer(validation)
    if options.minutes is not None:
        # An epoch at a learning rate of 0, on a copy of the weights.
        first = (trainer.state(), jax.random.key(options.seed), np.zeros(steps))
        epochs = _epochs_that_fit(options.minutes, lambda: run_epoch(*first))
        recipe = replace(recipe, epochs=max(epochs, math.ceil(recipe.optimization.warmup_epochs)))
    schedule = learning_rate_schedule(recipe, steps)
    rates = jax.vmap(schedule)(np.arange(recipe.epochs * steps))

    record = {
        "recipe": asdict(recipe),
        "options": {name: str(value) for name, value in asdict(options).items()},
        "images": {"training": len(training.labels), "validation": len(validation.labels)},
        "device": jax.devices()[0].device_kind,
        "versions": {"keras": keras.__version__, "jax": jax.__version__},
        "epochs": [],
    }
    state, started = trainer.state(), time.time()
    for epoch in range(1, recipe.epochs + 1):
        key = jax.random.fold_in(jax.random.key(options.seed), epoch)
        state, loss = run_epoch(state, key, rates[(epoch - 1) * steps : epoch * steps])
        if epoch % options.score_epochs and epoch < recipe.epochs:
            continue
        row = {"epoch": epoch, "loss": float(loss), **score(state)}
        row["images_per_second"] = round(
            epoch * steps * recipe.batch_size / (time.time() - started)
        )
        if not all(math.isfinite(value) for value in row.values()):
            raise ArithmeticError(
                f"Training has diverged in epoch {epoch}. {options.out} has the weights of the "
                "epoch that was scored before, if there is one."
            )
        record["epochs"].append(row)
        print(json.dumps(row), flush=True)
        trainer.assign_averages(state)
        save_weights(trainer.model, options.out / "model.weights.h5")
        write_text_atomically(options.out / "run.json", json.dumps(record, indent=2) + "\n")


def _check(recipe: Recipe, options: InMemoryOptions) -> None:
    """Raises a ValueError if Keras does not run on JAX, or a setting is wrong or unavailable."""
    if keras.backend.backend() != "jax":
        raise ValueError(
            "Training in memory needs JAX: set the environment variable KERAS_BACKEND=jax. Keras "
            f"runs on {keras.backend.backend()}."
        )
    check_recipe(recipe)
    check_final_learning_rate(recipe)
    check_seed(options.seed)
    check_seed(options.split_seed, "split_seed")
    if not is_positive_integer(options.score_epochs):
        raise ValueError(
            f"`score_epochs` must be an integer of at least 1. Received: {options.score_epochs}"
        )
    if options.minutes is not None and not 0 < options.minutes < math.inf:
        raise ValueError(f"`minutes` must be above 0 and finite. Received: {options.minutes}")
    if not 0 < options.teacher_share <= 1:
        raise ValueError(
            f"`teacher_share` must be above 0, at most 1. Received: {options.teacher_share}"
        )
    check_for_memory(recipe)


def _check_out(out: Path) -> None:
    """Raises a ValueError if the folder holds a run of another command, whose record it needs."""
    if (out / "model.keras").exists() or (out / "checkpoints").exists():
        raise ValueError(
            f"`out` must not be the folder of a run of `train`, whose run.json would be replaced: "
            f"choose another one. Received: {out}"
        )


def _images(recipe: Recipe, options: InMemoryOptions) -> tuple["Images", "Images"]:
    """Returns the training and the validation images, on the accelerator."""
    import jax

    from training.in_memory.epoch import Images

    pixels, labels = _read(options)
    held = held_out(labels, recipe.validation_share, options.split_seed)
    if recipe.batch_size > np.sum(~held):
        raise ValueError(
            f"`batch_size` must be at most the {np.sum(~held)} training images. "
            f"Received: batch_size={recipe.batch_size}"
        )
    training, validation = (
        Images(jax.device_put(pixels[mask]), jax.device_put(labels[mask])) for mask in (~held, held)
    )
    return training, validation


def _classes(*parts: "Images") -> int:
    return 1 + max(int(part.labels.max()) for part in parts)


def _trainer(recipe: Recipe, options: InMemoryOptions, classes: int, steps: int) -> "Trainer":
    """Returns the `Trainer` of a new model, from the initial weights that the recipe names."""
    from training.in_memory.epoch import Trainer
    from training.in_memory.teacher import Teacher

    keras.utils.set_random_seed(options.seed)
    teacher = None
    with precision(recipe.precision):
        model = build_model(recipe.model, classes)
        if recipe.model.initial_weights is not None:
            print(start_from_weights(model, recipe.model))
        if options.teacher is not None:
            taught = _teacher_model(options.teacher, classes)
            teacher = Teacher(taught, options.teacher_share)
    optimizer = make_optimizer(model, recipe, steps, learning_rate=0.0)
    optimizer.build(model.trainable_variables)
    return Trainer(model, optimizer, recipe, teacher)


def _teacher_model(path: Path, classes: int) -> keras.Model:
    """Returns the model of a file: of a `.keras` file, or the named variant of the weights."""
    variant = stored_variant(path) if path.is_file() else None
    if not path.is_file() or (variant is None and path.suffix != ".keras"):
        raise ValueError(
            "`teacher` must be a .keras file, or a .weights.h5 file of one of "
            f"{', '.join(VARIANTS)}. Received: {path}"
        )
    options = ModelOptions(variant or "", initial_weights=str(path))
    model = stored_model(path, options, "teacher")
    if model.output_shape != (None, classes):
        raise ValueError(
            f"`teacher` must be a model of {classes} classes, as the labels are. Received: {path} "
            f"with outputs of shape {model.output_shape}"
        )
    return model


def _epochs_that_fit(minutes: float, run_epoch: Callable[[], Any]) -> int:
    """Returns how many epochs fit a time, at least 1, by the time of one."""
    started = time.monotonic()
    _, loss = run_epoch()
    float(loss)  # waits for the end
    return max(1, int(minutes * 60 / (time.monotonic() - started)))


def _array(path: Path, name: str, **options: Any) -> np.ndarray:
    """Returns the array of an .npy file."""
    try:
        array = np.load(path, **options)
    except (EOFError, ValueError) as error:
        raise ValueError(f"`{name}` must be an .npy file. {path} is none. ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"`{name}` must be an .npy file of one array. {path} is an archive.")
    return array


def _read(options: InMemoryOptions) -> tuple[np.ndarray, np.ndarray]:
    images = _array(options.images, "images", mmap_mode="r")
    labels = _array(options.labels, "labels")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            "`images` must be uint8 of shape (images, height, width, 3). Received: "
            f"{images.dtype} of shape {images.shape} in {options.images}"
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"`labels` must be integers of shape ({len(images)},), one per image. Received: "
            f"{labels.dtype} of shape {labels.shape} in {options.labels}"
        )
    if labels.min() < 0:
        raise ValueError(f"`labels` must begin at 0. Received: {labels.min()} in {options.labels}")
    return images, labels
