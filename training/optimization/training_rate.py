"""The rate at which this computer trains a recipe, measured."""

import time

import keras

from training.data.batches import Reader, training_batches
from training.data.data_set import DataSet
from training.devices.strategies import Placement
from training.optimization.compiled_model import compiled_model, precision
from training.recipes.model import build_model
from training.recipes.recipe import Recipe

# The first steps compile, and take the batches that the pipeline has read in the meantime.
_STEPS_BEFORE, _STEPS = 8, 10


def training_rate(recipe: Recipe, data_set: DataSet, placement: Placement) -> float:
    """Returns how many images are read, augmented and trained on per second.

    Args:
        recipe: `Recipe`.
        data_set: `DataSet`, whose training images are read.
        placement: `Placement`.
    """
    timer = _Timer()
    with precision(recipe.precision), placement.scope():
        model = compiled_model(
            build_model(recipe.model, len(data_set.class_names)),
            recipe,
            _STEPS_BEFORE + _STEPS,
            placement.jit_compile,
            data_set.training.class_counts(),
        )
        model.fit(
            training_batches(data_set.training, recipe, seed=0, reader=Reader(placement.share)),
            steps_per_epoch=_STEPS_BEFORE + _STEPS,
            callbacks=[timer],
            shuffle=False,
            verbose=0,
        )
    return _STEPS * recipe.batch_size / timer.seconds


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
