"""The rate at which this computer trains a recipe, measured."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import keras

from training.data.batches import Reader, training_batches
from training.data.copied_split import CopiedSplit
from training.data.copy_plan import CopyPlan
from training.data.data_set import DataSet
from training.data.folder_split import FolderSplit
from training.data.reduced_copies import with_reduced_copies
from training.data.split import Split
from training.devices.out_of_memory import clear_out_of_memory
from training.devices.strategies import Placement
from training.optimization.compiled_model import compiled_model, precision
from training.recipes.choice import Rate
from training.recipes.model import build_model
from training.recipes.recipe import Recipe
from training.run.checkpoints import Checkpoint, CheckpointFolder
from training.run.state import read_state

# The first steps compile, and take the batches that the pipeline has read in the meantime.
_STEPS_BEFORE, _STEPS = 8, 10
# Photographs of which reduced copies are made for the measurement.
_COPIES = 128


def training_rate(
    recipe: Recipe, data_set: DataSet, placement: Placement, reduced_copies: bool = True
) -> Rate:
    """Measures how fast a recipe is trained.

    Args:
        recipe: `Recipe`.
        data_set: `DataSet`, whose training images are read.
        placement: `Placement`.
        reduced_copies: whether training will read reduced copies of large photographs.

    Raises:
        MemoryError: a device has too little memory for the recipe.
    """
    timer = _Timer()
    plan = CopyPlan.if_it_pays(recipe, data_set) if reduced_copies else None
    with (
        precision(recipe.precision),
        placement.scope(),
        clear_out_of_memory(recipe),
        _as_read(data_set.training, plan, recipe.batch_size) as (split, seconds_before),
    ):
        model = compiled_model(
            build_model(recipe.model, len(data_set.class_names)),
            recipe,
            _STEPS_BEFORE + _STEPS,
            placement.jit_compile,
            data_set.training.class_counts(),
        )
        model.fit(
            training_batches(split, recipe, seed=0, reader=Reader(placement.share)),
            steps_per_epoch=_STEPS_BEFORE + _STEPS,
            callbacks=[timer],
            shuffle=False,
            verbose=0,
        )
        seconds_per_checkpoint = _seconds_per_checkpoint(model)
    images_per_second = _STEPS * recipe.batch_size / timer.seconds
    return Rate(images_per_second, seconds_before, seconds_per_checkpoint)


def _seconds_per_checkpoint(model: keras.Model) -> float:
    """Returns the seconds that writing a checkpoint takes; 0 if there is no room for a trial."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        CheckpointFolder(folder).write(0, Checkpoint(read_state(model), {}))
        return time.monotonic() - started
    return 0.0


@contextlib.contextmanager
def _as_read(split: Split, plan: CopyPlan | None, batch_size: int) -> Iterator[tuple[Split, float]]:
    """Yields a split that is read as fast as training will read, and the seconds before it can."""
    if plan is None or not isinstance(split, FolderSplit):
        yield split, 0.0
        return
    with tempfile.TemporaryDirectory() as folder:
        sample = split.sample(max(_COPIES, batch_size))
        copied = with_reduced_copies(sample, plan, Path(folder), tell=lambda line: None)
        per_image = copied.seconds_per_image if isinstance(copied, CopiedSplit) else 0.0
        yield copied, per_image * split.size


class _Timer(keras.callbacks.Callback):
    """Measures the seconds from the end of the first steps to the end of the last."""

    started = seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch + 1 in (_STEPS_BEFORE, _STEPS_BEFORE + _STEPS):
            float((logs or {"loss": 0.0})["loss"])  # waits for the device
            if batch + 1 == _STEPS_BEFORE:
                self.started = time.monotonic()
            else:
                self.seconds = time.monotonic() - self.started
