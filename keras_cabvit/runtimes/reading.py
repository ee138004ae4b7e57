"""Reading saved models, with errors that say what is wrong with the file."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_cabvit.atomic_files import DISK_FULL, is_disk_full
from keras_cabvit.first_line import first_line
from keras_cabvit.gpu import leave_gpus_to_the_backend
from keras_cabvit.layers.numpy_arguments import as_python
from keras_cabvit.models.arguments import check_positive_integers
from keras_cabvit.paths import local_path
from keras_cabvit.weights import describe_hdf5


def read_keras_model(path: str | os.PathLike[str]) -> keras.Model:
    """Reads a `.keras` file, or the folder of an unpacked one, for inference.

    Args:
        path: path of the file or folder.

    Returns:
        The model, not compiled.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the disk is full: with little memory left, Keras unpacks the weights on it.
        ValueError: it is damaged, or not a Keras model.
    """
    path = local_path(path)
    if not path.is_file() and not is_unpacked_keras(path):
        raise FileNotFoundError(f"There is no model at {path}.")
    with _reading(path, "Keras"):
        return keras.saving.load_model(path, compile=False)


def is_unpacked_keras(path: Path) -> bool:
    """Returns whether a path is a folder with what is in a `.keras` file, as on Hugging Face.

    Args:
        path: path, at which there may be nothing.
    """
    return all((path / name).is_file() for name in ("config.json", "model.weights.h5"))


def read_saved_model(path: str | os.PathLike[str]) -> Any:
    """Reads a SavedModel directory with TensorFlow, on JAX and PyTorch without its GPUs.

    Args:
        path: path of the directory that holds `saved_model.pb`, or of the folder with its numbered
            versions, the highest of which is read.

    Returns:
        The object that `tf.saved_model.load` returns. Keep a reference to it as long as its
        signatures are used: they do not keep their variables alive.

    Raises:
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: it is damaged, or has no signature `serving_default`.
        ImportError: TensorFlow is not installed.
    """
    path = local_path(path)
    found = latest_version(path)
    if found is None:
        raise FileNotFoundError(f"There is no SavedModel in {path}: it has no saved_model.pb.")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            'Running a SavedModel needs TensorFlow: pip install "keras-cabvit[tensorflow]"'
        ) from error

    leave_gpus_to_the_backend()
    with _reading(found, "SavedModel"):
        loaded = tf.saved_model.load(str(found))
    if "serving_default" not in loaded.signatures:
        raise ValueError(
            f"{path} must have the signature serving_default. It has: "
            f"{', '.join(loaded.signatures) or 'none'}."
        )
    return loaded


def latest_version(path: str | os.PathLike[str]) -> Path | None:
    """Returns the directory of a SavedModel: the path itself, or its highest numbered version.

    Args:
        path: path of a directory.

    Returns:
        The path, or None if it holds no SavedModel.
    """
    path = local_path(path)
    if (path / "saved_model.pb").is_file():
        return path
    versions = [
        file.parent for file in path.glob("*/saved_model.pb") if file.parent.name.isdecimal()
    ]
    return max(versions, key=lambda version: int(version.name), default=None)


def read_tflite(path: str | os.PathLike[str], threads: int = 2) -> Any:
    """Reads a `.tflite` file with LiteRT, the runtime in Android apps.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.

    Returns:
        LiteRT's `Interpreter`, with its tensors allocated.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, or not one that LiteRT can run; or `threads` is not a
            positive integer.
        ImportError: ai-edge-litert is not installed.
    """
    threads = as_python(threads)
    check_positive_integers(threads=threads)
    path = local_path(path)
    if not path.is_file():
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
    return interpreter


def read_onnx(path: str | os.PathLike[str], threads: int = 2) -> Any:
    """Reads an `.onnx` file with onnxruntime, on the CPU.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.

    Returns:
        onnxruntime's `InferenceSession`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, or not one that onnxruntime can run; or `threads` is not a
            positive integer.
        ImportError: onnxruntime is not installed.
    """
    threads = as_python(threads)
    check_positive_integers(threads=threads)
    path = local_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no .onnx file at {path}.")
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            'Running an .onnx file needs onnxruntime: pip install "keras-cabvit[onnx]"'
        ) from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # its errors are raised too
    with _reading(path, "ONNX"):
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _reading(path: str | os.PathLike[str], form: str) -> Iterator[None]:
    """Turns a reader's errors, which have no common class, into a ValueError with one sentence."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        if is_disk_full(error):
            raise OSError(
                f"{DISK_FULL} {path} was not read, because that takes temporary files."
            ) from error
        if unknown := unknown_class(error):
            raise ValueError(
                f"{path} needs '{unknown}', a class or function that is not known here. Import the "
                "module that registers it with `@keras.saving.register_keras_serializable()` "
                "first, and call this from Python."
            ) from error
        if is_refused_lambda(error):
            raise ValueError(
                f"{path} has a Lambda layer, and Python functions in files are not run. Save the "
                "model with operations of `keras.ops` instead; or, if you trust the file, call "
                "keras.config.enable_unsafe_deserialization() first, from Python."
            ) from error
        if found := describe_hdf5(path):
            raise ValueError(found) from error
        raise ValueError(
            f"{path} is damaged, or holds no {form} model. Reading it failed with: "
            f"{first_line(error)}"
        ) from error


def unknown_class(error: BaseException) -> str | None:
    """Returns the name of the class or function that Keras did not find in a file's configuration.

    Args:
        error: error that `keras.saving.load_model` raised.

    Returns:
        A string; None if the error has another reason.
    """
    found = re.search(r"Could not (?:locate|deserialize) \w+ '([^']+)'", str(error))
    return found[1] if found else None


def is_refused_lambda(error: BaseException) -> bool:
    """Returns whether Keras refused a file because of the Python function of a Lambda layer.

    Args:
        error: error that `keras.saving.load_model` raised.
    """
    return "`Lambda` layer" in str(error)
