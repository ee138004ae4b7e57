"""Opening a trained model: a run, or any file made from it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.class_names import stated_names
from keras_cabvit.runtimes.classifier_activation import NotAClassifier
from keras_cabvit.runtimes.keras_classifier import load_keras
from keras_cabvit.runtimes.keras_statements import folder_of
from keras_cabvit.runtimes.onnx_classifier import load_onnx
from keras_cabvit.runtimes.probabilities import Probabilities
from keras_cabvit.runtimes.reading import is_unpacked_keras, latest_version
from keras_cabvit.runtimes.run_record import (
    crop_of_run,
    first_run,
    read_run,
    sentence_on_runs_in,
)
from keras_cabvit.runtimes.saved_model_classifier import load_saved_model
from keras_cabvit.runtimes.size_on_disk import size_on_disk
from keras_cabvit.runtimes.stated_crop import preferred_crop
from keras_cabvit.runtimes.tflite_classifier import load_tflite
from keras_cabvit.weights import describe_hdf5

_ACCEPTED = (
    "Give a run's folder, a .keras file (or the folder of an unpacked one), a SavedModel directory "
    "(or the folder of its numbered versions), a .tflite file or an .onnx file."
)


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A classifier that is ready to predict.

    Attributes:
        path: path of the file or directory that was opened.
        name: name of that file, or of the run's folder.
        form: "Keras", "SavedModel", "TFLite" or "ONNX".
        predict: `Probabilities`, a function from uint8 or float32 images (count, height, width, 3)
            with values in 0..255 to probabilities, float32 (count, classes).
        image_size: (height, width) in pixels; None if the model takes any.
        classes: integer; None if the file does not say.
        class_names: tuple of strings: the labels in the model itself, else those in `labels.txt` or
            `run.json` beside it, or None without any.
        size: bytes on disk.
        run: dict, the `run.json` of the run it comes from, or None.
        evaluation_crop: side of the centre crop with which it is evaluated, as a share of the
            image: the one that the export states, else that of the run; None if unknown.
        notes: tuple of sentences on assumptions about the file.
        runtime: the Keras model, the loaded SavedModel, the LiteRT interpreter or onnxruntime's
            session.
    """

    path: Path
    name: str
    form: str
    predict: Probabilities
    image_size: tuple[int, int] | None
    classes: int | None
    class_names: tuple[str, ...] | None
    size: int
    run: dict | None
    evaluation_crop: float | None = None
    notes: tuple[str, ...] = ()
    runtime: Any = None


def open_model(path: str | os.PathLike) -> OpenedModel:
    """Opens a trained classifier.

    A softmax is applied to logits. The operation that a Keras model ends in tells logits from
    probabilities, as does the output name of this project's exports; in other files, and after a
    layer of the user's own, scores that are not negative and sum to 1 in every row of the first
    batch count as probabilities. One score between 0 and 1 is the probability of the second of two
    classes.

    Labels and the crop inside the file or the SavedModel come first. Otherwise
    `labels.txt` and `run.json` are looked up in the folder of the file; for a SavedModel also in
    its own directory.

    Args:
        path: a run's folder, a `.keras` file, the folder of an unpacked one, a SavedModel directory
            or a folder with numbered versions of one (the highest is taken), a `.tflite` file or an
            `.onnx` file.

    Returns:
        `OpenedModel`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is something else, damaged, or not a classifier of RGB images
            (`NotAClassifier`).
        ImportError: the runtime of this form is not installed.
    """
    form, path, name = model_at(local_path(path))
    classifier = _READERS[form](path)
    if len(classifier.image_shape) != 3 or classifier.image_shape[2] != 3:
        raise NotAClassifier(
            f"{path} must take images of shape (height, width, 3). It takes "
            f"{tuple(classifier.image_shape)}."
        )
    height, width, _ = classifier.image_shape
    folders = _folders_beside(path)
    run, _ = first_run(folders)
    image_size = None if height is None or width is None else (height, width)
    names = stated_names(path, classifier.labels, folders, classifier.classes)
    crop, notes = preferred_crop(path, classifier.evaluation_crop, crop_of_run(run, image_size))
    return OpenedModel(
        path=path,
        name=name,
        form=form,
        predict=Probabilities(path, classifier),
        image_size=image_size,
        classes=classifier.classes,
        class_names=None if names is None else tuple(names),
        size=size_on_disk(path),
        run=run,
        evaluation_crop=crop,
        notes=(*classifier.notes, *notes),
        runtime=classifier.runtime,
    )


_READERS = {
    "Keras": load_keras,
    "SavedModel": load_saved_model,
    "TFLite": load_tflite,
    "ONNX": load_onnx,
}
_SUFFIXES = {".keras": "Keras", ".tflite": "TFLite", ".onnx": "ONNX"}


def model_at(path: Path, accepted: str = _ACCEPTED) -> tuple[str, Path, str]:
    """Returns the form of a model, without reading it.

    Args:
        path: path, as for `open_model`.
        accepted: string, the sentence on what to give instead of something else.

    Returns:
        "Keras", "SavedModel", "TFLite" or "ONNX"; the file or directory to read; and the name.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is something else.
    """
    name = path.resolve().name
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}. {accepted}")
    if path.is_file():
        form = _SUFFIXES.get(path.suffix.lower())
        if form:
            return form, path, name
        found = describe_hdf5(path) or f"{path} is not a file that can be opened, or is damaged."
        raise ValueError(f"{found} {accepted}")
    if (path / "model.keras").is_file():
        return "Keras", path / "model.keras", name
    if is_unpacked_keras(path):
        return "Keras", path, name
    version = latest_version(path)
    if version == path and name.isdecimal():
        return "SavedModel", path, f"{path.resolve().parent.name}/{name}"
    if version:
        return "SavedModel", version, name
    if (path / "checkpoints").is_dir() or (path / "run.json").is_file():
        raise ValueError(_why_there_is_no_model(path))
    if several := sentence_on_runs_in(path):
        raise ValueError(f"{path} is not the folder of one run.{several}")
    raise ValueError(f"{path} is a folder of something else. {accepted}")


def _why_there_is_no_model(path: Path) -> str:
    """Returns a sentence on the folder of a run without a model.keras."""
    if (read_run(path) or {}).get("finished"):
        return (
            f"The run in {path} is finished, but its model.keras was moved or renamed. Give that "
            "file."
        )
    if (path / "model.weights.h5").is_file():
        return (
            f"{path} holds weights alone, as `train-in-memory` writes them. Build the model, load "
            "them with `keras_cabvit.weights.load_weights`, and save it as a .keras file."
        )
    return (
        f"The run in {path} has not finished: there is no model.keras in it yet. The command that "
        "started it resumes it."
    )


def _folders_beside(path: Path) -> list[Path]:
    """Returns the folders that may hold the `labels.txt` and `run.json` of a model."""
    if path.is_file() or is_unpacked_keras(path):
        return [folder_of(path)]
    servable = path.parent if path.resolve().name.isdecimal() else path
    return [path, servable, servable.parent]
