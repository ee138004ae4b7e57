"""Runs an export with the runtime that its user has."""

from pathlib import Path

import numpy as np


def load_saved_model(path):
    """Loads a SavedModel directory with TensorFlow.

    Args:
        path: the directory that holds `saved_model.pb`.

    Returns:
        A function from images, uint8 (batch, height, width, channels), to scores (batch, classes).

    Raises:
        FileNotFoundError: there is no SavedModel at `path`.
        ImportError: TensorFlow is not installed.
    """
    if not (Path(path) / "saved_model.pb").is_file():
        raise FileNotFoundError(f"There is no SavedModel in {path}: it has no saved_model.pb.")
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]

    def predict(images):
        (scores,) = signature(image=tf.constant(images)).values()
        return scores.numpy()

    predict.loaded = loaded  # the signature alone does not keep the variables alive
    return predict


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

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"LiteRT cannot run {path}: {error}") from error
    (input_details,) = interpreter.get_input_details()
    (output_details,) = interpreter.get_output_details()

    def classify(image):
        interpreter.set_tensor(input_details["index"], image[None])
        interpreter.invoke()
        return interpreter.get_tensor(output_details["index"])[0]

    def predict(images):
        return np.stack([classify(image) for image in images])

    predict.interpreter = interpreter
    return predict
