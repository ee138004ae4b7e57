"""Scores a saved model on real images."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_cabvit.export.latency import median_latencies
from training.evaluation.metrics import Scores, score_predictions
from training.evaluation.opened_model import open_model
from training.evaluation.predictions import Mistake, predict_split
from training.evaluation.setting import columns_for, scored_images, size_and_crop
from training.report.score_table import score_row
from training.run.metrics_csv import read_metrics_csv


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a saved model did.

    Attributes:
        name: of the run or the file.
        form: "Keras", "SavedModel" or "TFLite".
        path: of the file or directory.
        data: name of the data set.
        note: sentences that say which of its images were scored.
        are_test_of_run: whether these are the test images that the run itself was scored on.
        notes: tuple of sentences about what a person should know.
        class_names: tuple of strings, in the order of the labels.
        scores: `Scores`.
        names: tuple of strings, the images that were scored.
        labels: integers (images,).
        predicted: integers (images,).
        mistakes: tuple of `Mistake`, the most confident ones, the worst first.
        broken_names: tuple of strings, images that cannot be read and were not scored.
        latency: float, median seconds for one image.
        size: integer, bytes on disk.
        image_size: (height, width) in pixels.
        crop: float, side of the centre crop as a share of the image.
        seconds: float, how long the evaluation took.
    """

    name: str
    form: str
    path: Path
    data: str
    note: str
    are_test_of_run: bool
    notes: tuple[str, ...]
    class_names: tuple[str, ...]
    scores: Scores
    names: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    mistakes: tuple[Mistake, ...]
    broken_names: tuple[str, ...]
    latency: float
    size: int
    image_size: tuple[int, int]
    crop: float
    seconds: float

    def as_row(self):
        """Returns the scores as a `ModelScore`, a row of a table."""
        return score_row(self.name, self.form, self.scores, self.size, self.latency)


def evaluate(
    path,
    data=None,
    split="test",
    out=None,
    *,
    image_size=None,
    crop=None,
    batch_size=64,
    latency_rounds=50,
    progress=None,
):
    """Scores a saved model, and writes a report if asked to.

    Args:
        path: what `open_model` takes: a run's folder, a `.keras` file, a SavedModel directory or a
            `.tflite` file.
        data: `DataSet`, or "fashion_mnist", "elpv", "folder:PATH" or "tfds:NAME"; None takes what
            the run was trained on.
        split: "test", "validation", "training", or "all" for these together. Without test images of
            the data's own, "test" falls back to the validation images, and the note says so.
        out: folder for `report.md` and its pictures; None writes nothing.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image; None is as the run has it, and
            without a run as the authors have it: 0.875 below 384 pixels, else 1.
        batch_size: integer, images at a time.
        latency_rounds: integer, how many single images are timed.
        progress: function that is told (images done, all images) after each batch, or None.

    Returns:
        `Evaluation`.

    Raises:
        FileNotFoundError: there is no model at `path`, or the data is not there.
        ValueError: the file is damaged, no classifier, or does not fit the data; or an argument is
            wrong.
        ImportError: a package that the model or the data needs is not installed.
        OSError: the report cannot be written.
    """
    started = time.perf_counter()
    model = open_model(path)
    size, crop, notes = size_and_crop(model, image_size, crop)
    scored = scored_images(data, split, model.run)
    columns, notes_on_classes = columns_for(model, scored.data_set.class_names)
    predictions = predict_split(
        model.predict, scored.split, size, crop, batch_size, columns, progress=progress
    )
    (latency,) = median_latencies([model.predict], [predictions.examples], latency_rounds)
    evaluation = Evaluation(
        name=model.name,
        form=model.form,
        path=model.path,
        data=scored.data_set.name,
        note=scored.note,
        are_test_of_run=scored.are_test_of_run,
        notes=(*notes, *notes_on_classes, *scored.data_set.notes),
        class_names=tuple(scored.data_set.class_names),
        scores=score_predictions(predictions.probabilities, predictions.labels),
        names=predictions.names,
        labels=predictions.labels,
        predicted=predictions.probabilities.argmax(axis=1),
        mistakes=predictions.mistakes,
        broken_names=predictions.broken_names,
        latency=latency,
        size=model.size,
        image_size=size,
        crop=crop,
        seconds=time.perf_counter() - started,
    )
    if out is not None:
        from training.report.page import write_report  # which draws with matplotlib

        metrics = model.path.parent / "metrics.csv"
        history = read_metrics_csv(metrics) if model.run and metrics.is_file() else None
        write_report(out, evaluation, history, model.run)
    return evaluation
