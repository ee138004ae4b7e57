"""Trains a small CabViT on real images, exports it, and scores it in all its forms."""

import dataclasses
import json
import sys
import time
from pathlib import Path

import keras

from keras_cabvit import CabViTH
from keras_cabvit.data import evaluation_pixels
from keras_cabvit.export import load_saved_model, load_tflite, saved_model, tflite
from training.curves import draw_curves
from training.data.batches import training_batches
from training.data.fashion_mnist import CLASS_NAMES, fashion_mnist_subset, stratified_split
from training.evaluation import score_forms, score_table
from training.optimizer import make_optimizer
from training.recipes.quickstart import QUICKSTART
from training.run_folder import written_whole

DEFAULT_FOLDER = Path("saved_models/quickstart")


def quickstart(folder=DEFAULT_FOLDER, recipe=QUICKSTART, seed=0):
    """Runs the quickstart and prints what it does and how the model did.

    Args:
        folder: to write: `model.keras`, `saved_model/1`, `model_int8.tflite`, `curves.png`,
            `scores.md` and `scores.json`. It appears when all of it is there.
        recipe: `Recipe`.
        seed: integer, of the initial weights, the held-out images, their order and flips.

    Returns:
        A list of `FormScore`: Keras, SavedModel, TFLite.

    Raises:
        ValueError: `folder` is there and was not written by an earlier quickstart.
        FloatingPointError: the loss became infinite or no number.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    with written_whole(folder) as partial:
        print("1/4  Reading 5,000 training and 1,000 test images of Fashion-MNIST")
        training, test = fashion_mnist_subset()
        training, validation = stratified_split(training, recipe.validation_images, seed)
        size = recipe.model["input_shape"][:2]

        print(f"2/4  Training a CabViT-H on {len(training.labels):,} of them")
        model, history = _train(recipe, training, validation, size, seed)
        draw_curves(history, partial / "curves.png")

        print("3/4  Exporting to SavedModel and int8 TFLite")
        keras_file = partial / "model.keras"
        # The same layers without the optimizer, which would triple the file.
        model = keras.Model(model.input, model.output, name=model.name)
        model.save(keras_file)
        servable = saved_model(model, partial / "saved_model")
        tflite_file = tflite(model, partial / "model_int8.tflite", quantization="int8")

        print("4/4  Scoring each form on the test images, which nothing has seen so far\n")
        forms = {
            "Keras, float32": (keras_file, model.predict_on_batch),
            "SavedModel, float32": (servable, load_saved_model(servable)),
            "TFLite, int8": (tflite_file, load_tflite(tflite_file)),
        }
        scores = score_forms(forms, evaluation_pixels(test.images, size), test.labels)
        table = score_table(scores)
        (partial / "scores.md").write_text(table + "\n")
        (partial / "scores.json").write_text(
            json.dumps([dataclasses.asdict(score) for score in scores], indent=2) + "\n"
        )
    print(f"{table}\n\nThe models and the curves are in {folder}/.")
    print(f"All of it took {(time.perf_counter() - started) / 60:.1f} minutes.")
    return scores


def _train(recipe, training, validation, size, seed):
    model = CabViTH(**recipe.model, classes=len(CLASS_NAMES), name="quickstart")
    batches = training_batches(
        evaluation_pixels(training.images, size),
        training.labels,
        classes=len(CLASS_NAMES),
        batch_size=recipe.batch_size,
        seed=seed,
    )
    model.compile(
        make_optimizer(model, recipe, steps_per_epoch=len(batches)),
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        # On a CPU, TensorFlow's own kernels take a quarter of the time that XLA's do.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    history = model.fit(
        batches,
        epochs=recipe.epochs,
        shuffle=False,  # the batches shuffle themselves
        validation_data=(
            evaluation_pixels(validation.images, size),
            keras.ops.one_hot(validation.labels, len(CLASS_NAMES)),
        ),
        callbacks=[keras.callbacks.TerminateOnNaN()],
        # The progress bar redraws its line, which a log file cannot.
        verbose=1 if sys.stdout.isatty() else 2,
    ).history
    if len(history.get("val_loss", [])) < recipe.epochs:
        raise FloatingPointError(
            "The loss became infinite or no number, and training was stopped. A smaller learning "
            f"rate than {recipe.learning_rate} may help."
        )
    return model, history
