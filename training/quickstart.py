"""Trains a small CabViT on real images, exports it, and scores all its forms."""

import dataclasses
import json
import os
import time
from pathlib import Path

import keras

from keras_cabvit.atomic_files import atomic_folder, write_text_atomically
from keras_cabvit.data import evaluation_pixels
from keras_cabvit.export import to_saved_model, to_tflite
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes import load_saved_model, load_tflite
from keras_cabvit.runtimes.keras_statements import add_statements
from training.compare import score_forms
from training.data.array_split import ArraySplit
from training.data.batches import evaluation_batches, steps_per_epoch, training_batches
from training.data.fashion_mnist import CLASS_NAMES, LabeledImages, fashion_mnist_subset
from training.data.stratified import held_out
from training.devices.strategies import place
from training.evaluation.model_score import ModelScore
from training.optimization.averaged_model import AveragedModel
from training.optimization.compiled_model import compiled_model
from training.recipes.checks import check_recipe
from training.recipes.model import build_model
from training.recipes.quickstart import QUICKSTART
from training.recipes.recipe import Recipe
from training.report.figures.curves import draw_curves
from training.report.score_table import score_table
from training.run.callbacks import History, LossGuard, Progress
from training.run.options import check_seed

DEFAULT_FOLDER = Path("saved_models/quickstart")


def quickstart(
    folder: str | os.PathLike = DEFAULT_FOLDER, recipe: Recipe = QUICKSTART, seed: int = 0
) -> tuple[ModelScore, ...]:
    """Runs the quickstart and prints its steps and the model's scores.

    Args:
        folder: folder to write: `model.keras`, `saved_model/1`, `model_int8.tflite`, `curves.png`,
            `scores.md` and `scores.json`. It appears when it is complete.
        recipe: `Recipe`.
        seed: integer, seed of the initial weights, the held-out images, their order and flips.

    Returns:
        A tuple of `ModelScore`: Keras, SavedModel, TFLite.

    Raises:
        ValueError: `folder` exists and was not written by an earlier quickstart, or a number is out
            of range.
        Diverged: the loss became infinite, NaN, or far too large.
    """
    check_recipe(recipe)
    check_seed(seed)
    folder = local_path(folder, "folder")
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    with atomic_folder(folder, "quickstart") as partial:
        print("1/4  Reading 5,000 training and 1,000 test images of Fashion-MNIST")
        training, test = fashion_mnist_subset()
        held = held_out(training.labels, recipe.validation_share, seed)
        validation = LabeledImages(training.images[held], training.labels[held])
        training = LabeledImages(training.images[~held], training.labels[~held])

        print(f"2/4  Training a CabViT-H on {len(training.labels):,} of them")
        model, history = _train(recipe, training, validation, seed)
        draw_curves(history, partial / "curves.png")

        print("3/4  Exporting to SavedModel and int8 TFLite")
        keras_file = partial / "model.keras"
        # The same layers without the optimizer, which would triple the size of the file.
        model = keras.Model(model.input, model.output, name=model.name)
        model.save(keras_file)
        add_statements(keras_file, CLASS_NAMES, recipe.model.image_size, crop=1.0)
        servable = to_saved_model(model, partial / "saved_model", labels=CLASS_NAMES, crop=1.0)
        tflite_file = to_tflite(model, partial / "model_int8.tflite", quantization="int8", crop=1.0)

        print("4/4  Scoring each form on the test images, unseen so far\n")
        forms = {
            "Keras, float32": (keras_file, model.predict_on_batch),
            "SavedModel, float32": (servable, load_saved_model(servable)),
            "TFLite, int8": (tflite_file, load_tflite(tflite_file)),
        }
        scores = score_forms(
            forms, evaluation_pixels(test.images, recipe.model.image_size), test.labels
        )
        table = score_table(scores, ("form", "top-1", "size", "latency, one image"))
        write_text_atomically(partial / "scores.md", table + "\n")
        write_text_atomically(
            partial / "scores.json",
            json.dumps([dataclasses.asdict(score) for score in scores], indent=2) + "\n",
        )
    print(f"{table}\n\nThe models and the curves are in {folder}/.")
    print(f"Total time: {(time.perf_counter() - started) / 60:.1f} minutes.")
    return scores


def _train(
    recipe: Recipe, training: LabeledImages, validation: LabeledImages, seed: int
) -> tuple[AveragedModel, list[dict]]:
    size, classes = recipe.model.image_size, len(CLASS_NAMES)
    # Enlarged once here instead of in every epoch.
    enlarged = evaluation_pixels(training.images, size)
    split = ArraySplit(enlarged, training.labels, CLASS_NAMES)
    validation_split = ArraySplit(validation.images, validation.labels, CLASS_NAMES)
    steps = steps_per_epoch(split, recipe.batch_size)
    model = build_model(recipe.model, classes)
    model = compiled_model(model, recipe, steps, place("single").jit_compile)
    history = History(None, recipe.batch_size, steps)
    model.fit(
        training_batches(split, recipe, seed),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the batches come shuffled
        validation_data=evaluation_batches(validation_split, size, 100),
        callbacks=[
            LossGuard(classes),
            history,
            Progress(recipe.epochs, steps, 0, recipe.batch_size),
        ],
        verbose=0,
    )
    return model, history.rows
