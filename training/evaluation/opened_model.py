"""Opens whatever a person may call a trained model: a run, or one of the files it became."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keras_cabvit.data import evaluation_crop
from keras_cabvit.export.classifiers import (
    NotAClassifier,
    keras_classifier,
    saved_model_classifier,
    tflite_classifier,
)
from keras_cabvit.export.labels import read_labels
from keras_cabvit.export.runtimes import latest_version
from keras_cabvit.export.size_on_disk import size_on_disk
from keras_cabvit.export.tflite_metadata import embedded_labels
from training.evaluation.probabilities import Probabilities
from training.run.record import read_run

_ACCEPTED = (
    "Give a run's folder, a .keras file, a SavedModel directory (or the folder of its numbered "
    "versions), or a .tflite file."
)


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A classifier that is ready to predict.

    Attributes:
        path: of the file or directory that was opened.
        name: of that file, or of the run's folder.
        form: "Keras", "SavedModel" or "TFLite".
        predict: function from uint8 or float32 images (count, height, width, 3) with values in
            0..255 to probabilities, float32 (count, classes).
        image_size: (height, width) in pixels; None where the model takes any.
        classes: integer; None where the file does not say.
        class_names: tuple of strings: the labels in the model itself, else those in `labels.txt`
            beside it, or None without any.
        size: bytes on disk.
        run: dict, the `run.json` of the run it comes from, or None.
    """

    path: Path
    name: str
    form: str
    predict: Callable
    image_size: tuple[int, int] | None
    classes: int | None
    class_names: tuple[str, ...] | None
    size: int
    run: dict | None

    @property
    def evaluation_crop(self):
        """Share of the image's shorter side that the run evaluates; None where nobody says."""
        recipe = (self.run or {}).get("recipe") or {}
        if "evaluation_crop" not in recipe:
            return None
        # None in a recipe is as the authors have it.
        crop = recipe["evaluation_crop"]
        if crop is not None:
            return crop
        return evaluation_crop(self.image_size or recipe["model"]["image_size"])


def open_model(path):
    """Opens a trained classifier.

    A softmax is applied to logits. A Keras model says by its classifier's activation what it
    gives, this project's exports by the name of their output; of other files, what is not negative
    and sums to 1 in every row of the first batch counts as probabilities.

    Labels that a `.tflite` file or a SavedModel holds are its own. Others, and `run.json`, are
    looked for in the folder that holds the file; for a SavedModel also in its own directory.

    Args:
        path: a run's folder, a `.keras` file, a SavedModel directory or a folder with numbered
            versions of one (the highest is taken), or a `.tflite` file.

    Returns:
        `OpenedModel`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is something else, damaged, or no classifier of RGB images
            (`NotAClassifier`).
        ImportError: the runtime of this form is not installed.
    """
    form, path, name = _what_is_at(Path(path))
    classifier = _READERS[form](path)
    *size, channels = classifier.image_shape
    if len(size) != 2 or channels != 3:
        raise NotAClassifier(
            f"{path} must take images of shape (height, width, 3). It takes "
            f"{tuple(classifier.image_shape)}."
        )
    folders = _folders_of_company(path)
    return OpenedModel(
        path=path,
        name=name,
        form=form,
        predict=Probabilities(path, classifier),
        image_size=None if None in size else tuple(size),
        classes=classifier.classes,
        class_names=_class_names(path, folders, classifier.classes),
        size=size_on_disk(path),
        run=_run(folders),
    )


_READERS = {
    "Keras": keras_classifier,
    "SavedModel": saved_model_classifier,
    "TFLite": tflite_classifier,
}


def _what_is_at(path):
    """Returns the form, the file or directory to read, and what to call it."""
    name = path.resolve().name
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}. {_ACCEPTED}")
    if path.is_file():
        form = {".keras": "Keras", ".tflite": "TFLite"}.get(path.suffix.lower())
        if form:
            return form, path, name
        if path.suffix == ".h5":
            raise ValueError(f"{path} holds weights alone, and no model. {_ACCEPTED}")
        raise ValueError(f"{path} is none of the files that can be opened. {_ACCEPTED}")
    if (path / "model.keras").is_file():
        return "Keras", path / "model.keras", name
    version = latest_version(path)
    if version == path and name.isdigit():
        return "SavedModel", path, f"{path.resolve().parent.name}/{name}"
    if version:
        return "SavedModel", version, name
    if (path / "checkpoints").is_dir() or (path / "run.json").is_file():
        raise ValueError(
            f"The run in {path} has not finished: there is no model.keras in it yet. The command "
            "that started it goes on with it."
        )
    raise ValueError(f"{path} is a folder of something else. {_ACCEPTED}")


def _folders_of_company(path):
    """Returns where `labels.txt` and `run.json` may be that go with a model."""
    if path.is_file():
        return [path.parent]
    servable = path.parent if path.resolve().name.isdigit() else path
    return [path, servable, servable.parent]


def _class_names(path, folders, classes):
    """Returns the names that the model brings itself, else those beside it; None without any."""
    names = None
    if path.suffix.lower() == ".tflite":
        names = read_labels(embedded_labels(path), classes, f"The labels.txt inside {path}")
    if names is None:
        files = (folder / "labels.txt" for folder in [path / "assets", *folders])
        names = read_labels(next((file for file in files if file.is_file()), None), classes)
    return None if names is None else tuple(names)


def _run(folders):
    runs = (read_run(folder) for folder in folders)
    return next((run for run in runs if run is not None), None)
