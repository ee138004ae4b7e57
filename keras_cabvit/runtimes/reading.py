"""Runs a model, or an export, with the runtime that its user has."""

import contextlib
from pathlib import Path

import keras
import numpy as np


def load_keras_model(path):
    """Loads a `.keras` file for inference.

    Args:
        path: the file.

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no Keras model.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model at {path}.")
    with _reading(path, "Keras"):
        return keras.saving.load_model(path, compile=False)


def load_saved_model(path):
    """Loads a SavedModel directory with TensorFlow.

    Args:
        path: the directory that holds `saved_model.pb`, or that of its numbered versions, of which
            the highest is taken.

    Returns:
        A function from images, uint8 (batch, height, width, channels), to scores (batch, classes).

    Raises:
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: it is damaged, or has no signature `serving_default`.
        ImportError: TensorFlow is not installed.
    """
    found = latest_version(path)
    if found is None:
        raise FileNotFoundError(f"There is no SavedModel in {path}: it has no saved_model.pb.")
    import tensorflow as tf

    with _reading(found, "SavedModel"):
        loaded = tf.saved_model.load(str(found))
    if "serving_default" not in loaded.signatures:
        raise ValueError(
            f"{path} must have the signature serving_default. It has: "
            f"{', '.join(loaded.signatures) or 'none'}."
        )
    signature = loaded.signatures["serving_default"]

    def predict(images):
        (scores,) = signature(image=tf.constant(images)).values()
        return scores.numpy()

    predict.loaded = loaded  # the signature alone does not keep the variables alive
    return predict


def latest_version(path):
    """Returns where a SavedModel lies: the path itself, or its highest numbered version, or None.

    Args:
        path: of a directory.
    """
    path = Path(path)
    if (path / "saved_model.pb").is_file():
        return path
    versions = [file.parent for file in path.glob("*/saved_model.pb") if file.parent.name.isdigit()]
    return max(versions, key=lambda version: int(version.name), default=None)


def load_tflite(path, threads=2):
    """Loads a .tflite file with LiteRT, the runtime that Android apps carry.

    Args:
        path: the file.
        threads: integer, how many threads it may use. Defaults to 2.

    Returns:
        A function from images, uint8 (batch, height, width, channels), to scores (batch, classes).
        The images go through one by one, because the export takes one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no model, or one that LiteRT cannot run.
        ImportError: ai-edge-litert is not installed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no .tflite file at {path}.")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            'Running a .tflite file needs LiteRT: pip install "keras-cabvit[export]"'
        ) from error

    with _reading(path, "TFLite"):
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    image_index = interpreter.get_input_details()[0]["index"]
    scores_index = interpreter.get_output_details()[0]["index"]

    def classify(image):
        interpreter.set_tensor(image_index, image[None])
        interpreter.invoke()
        return interpreter.get_tensor(scores_index)[0]

    def predict(images):
        return np.stack([classify(image) for image in images])

    predict.interpreter = interpreter
    return predict


@contextlib.contextmanager
def _reading(path, form):
    """Makes a sentence of what goes wrong, which has no one class of errors in any reader."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise ValueError(
            f"{path} is damaged, or holds no {form} model. Reading it failed with: {reason}"
        ) from error
