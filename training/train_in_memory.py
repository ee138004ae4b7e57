"""Trains a recipe with JAX on one accelerator that holds all images in its memory."""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from keras_cabvit.atomic_files import atomic_path, write_text_atomically
from keras_cabvit.paths import local_path
from training.data.stratified import held_out
from training.optimization.compiled_model import precision
from training.optimization.optimizer import make_optimizer
from training.recipes.initial_weights import start_from_weights
from training.recipes.model import build_model
from training.recipes.recipe import Recipe


@dataclass(frozen=True)
class InMemoryOptions:
    """Options of a run besides its recipe.

    Attributes:
        images: `.npy` file of uint8 (images, height, width, 3), of the model's size.
        labels: `.npy` file of integers (images,), from 0.
        out: folder of the run.
        seed: of the initial weights, the order of the images and their augmentation.
        split_seed: of the split into training and validation images.
        score_epochs: epochs from one scoring of the validation images to the next.
    """

    images: Path
    labels: Path
    out: Path
    seed: int = 0
    split_seed: int = 0
    score_epochs: int = 5


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
            JAX, or the arrays do not fit the recipe.
        OSError: a file cannot be read or written.
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            "Training in memory needs JAX: set the environment variable KERAS_BACKEND=jax. Keras "
            f"runs on {keras.backend.backend()}."
        )
    # Imported here because JAX is needed for it.
    import jax

    from training.in_memory.augmentation import check_augmentation
    from training.in_memory.epoch import Trainer

    options = replace(
        options,
        images=local_path(options.images, "images"),
        labels=local_path(options.labels, "labels"),
        out=local_path(options.out, "out"),
    )
    check_augmentation(recipe.augmentation)
    if recipe.optimization.accumulation_steps > 1:
        raise ValueError(
            "Training in memory needs `optimization.accumulation_steps=1`. "
            f"Received: {recipe.optimization.accumulation_steps}"
        )
    if recipe.class_balance != "none":
        raise ValueError(
            f'Training in memory needs `class_balance="none"`. Received: "{recipe.class_balance}"'
        )
    for name, off in (("freeze", ()), ("patience", None)):
        if getattr(recipe, name) != off:
            raise ValueError(
                f"Training in memory does not implement `{name}`: leave it out. "
                f"Received: {name}={getattr(recipe, name)}"
            )
    images, labels = _read(recipe, options)
    mask = held_out(labels, recipe.validation_share, options.split_seed)
    on_device = [
        jax.device_put(array)
        for array in (images[~mask], labels[~mask], images[mask], labels[mask])
    ]
    steps = len(on_device[0]) // recipe.batch_size
    if steps == 0:
        raise ValueError(
            f"`batch_size` must be at most the {len(on_device[0])} training images. "
            f"Received: batch_size={recipe.batch_size}"
        )

    keras.utils.set_random_seed(options.seed)
    with precision(recipe.precision):
        model = build_model(recipe.model, int(labels.max()) + 1)
        if recipe.model.initial_weights is not None:
            print(start_from_weights(model, recipe.model))
    optimizer = make_optimizer(model, recipe, steps)
    optimizer.build(model.trainable_variables)
    trainer = Trainer(model, optimizer, recipe)
    run_epoch = trainer.compiled_epoch(*on_device[:2])
    score = trainer.scorer(*on_device[2:])

    options.out.mkdir(parents=True, exist_ok=True)
    record = {
        "recipe": asdict(recipe),
        "options": {name: str(value) for name, value in asdict(options).items()},
        "training_images": len(on_device[0]),
        "validation_images": len(on_device[2]),
        "device": jax.devices()[0].device_kind,
        "versions": {"keras": keras.__version__, "jax": jax.__version__},
        "epochs": [],
    }
    state, started = trainer.state(), time.time()
    for epoch in range(1, recipe.epochs + 1):
        key = jax.random.fold_in(jax.random.key(options.seed), epoch)
        state, loss = run_epoch(state, key)
        if epoch % options.score_epochs and epoch < recipe.epochs:
            continue
        row = {"epoch": epoch, "loss": float(loss), **score(state)}
        row["images_per_second"] = round(
            epoch * steps * recipe.batch_size / (time.time() - started)
        )
        record["epochs"].append(row)
        print(json.dumps(row), flush=True)
        trainer.assign_averages(state)
        with atomic_path(options.out / "model.weights.h5") as partial:
            model.save_weights(partial)
        write_text_atomically(options.out / "run.json", json.dumps(record, indent=2) + "\n")
    return options.out


def _read(recipe: Recipe, options: InMemoryOptions) -> tuple[np.ndarray, np.ndarray]:
    images = np.load(options.images, mmap_mode="r")
    labels = np.load(options.labels)
    shape = (*recipe.model.image_size, 3)
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        raise ValueError(
            f"`images` must be uint8 of shape (images, {', '.join(map(str, shape))}), the recipe's "
            f"image size. Received: {images.dtype} of shape {images.shape} in {options.images}"
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"`labels` must be integers of shape ({len(images)},), one per image. Received: "
            f"{labels.dtype} of shape {labels.shape} in {options.labels}"
        )
    if labels.min() < 0:
        raise ValueError(f"`labels` must begin at 0. Received: {labels.min()} in {options.labels}")
    return images, labels
