"""Scores a saved model on real images."""

import os
import time
from collections.abc import Callable
from typing import Any

from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.latency import median_latencies
from training.data.data_set import DataSet
from training.data.opening import check_outside
from training.evaluation.metrics import score_predictions
from training.evaluation.opened_model import open_model
from training.evaluation.predictions import Framing, predict_split
from training.evaluation.result import Evaluation
from training.evaluation.setting import scored_classes, scored_images, size_and_crop
from training.run.metrics_csv import read_metrics_csv


def evaluate(
    path: str | os.PathLike,
    data: DataSet | str | None = None,
    split: str = "test",
    out: str | os.PathLike | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    crop: float | None = None,
    batch_size: int = 64,
    latency_rounds: int = 50,
    classes_by_position: bool = False,
    progress: Callable[[int, int], Any] | None = None,
) -> Evaluation:
    """Scores a saved model, and optionally writes a report.

    Classes are matched by name, see `keras_cabvit.data.class_names`; the data may have only some of
    the model's.

    Args:
        path: as `open_model` takes it: a run's folder, a `.keras` file, a SavedModel directory or a
            `.tflite` file.
        data: `DataSet`, or "fashion_mnist", "elpv", "folder:PATH" or "tfds:NAME"; None takes the
            data that the run was trained on.
        split: "test", "validation", "training", or "all" for these together. If the data has no
            test images of its own, "test" falls back to the validation images, and the note says
            so.
        out: folder for `report.md` and its pictures; None writes nothing.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image; None is the run's crop or, without a
            run, the authors': 0.875 below 384 pixels, else 1.
        batch_size: integer, images at a time.
        latency_rounds: integer, the number of single images that are timed.
        classes_by_position: whether the data's classes are in the model's order, whatever their
            names. Defaults to False: classes are matched by name.
        progress: function called with (images done, all images) after each batch, or None.

    Returns:
        `Evaluation`.

    Raises:
        FileNotFoundError: there is no model at `path`, or the data is missing.
        ValueError: the file is damaged, no classifier, or does not fit the data; or an argument is
            wrong.
        ImportError: a package that the model or the data needs is not installed.
        OSError: the report cannot be written.
    """
    out = None if out is None else local_path(out, "out")
    started = time.perf_counter()
    model = open_model(path)
    spec = data or (model.run or {}).get("data")
    if out is not None and isinstance(spec, str):
        check_outside(spec, out)
    size, crop, notes = size_and_crop(model, image_size, crop)
    scored = scored_images(data, split, model.run)
    classes = scored_classes(model, scored.data_set, classes_by_position)
    predictions = predict_split(
        model.predict, scored.split, Framing(size, crop, batch_size), classes.columns, progress
    )
    (latency,) = median_latencies([model.predict], [predictions.examples], latency_rounds)
    evaluation = Evaluation(
        name=model.name,
        form=model.form,
        path=model.path,
        data=scored.data_set.name,
        note=scored.note,
        are_test_of_run=scored.are_test_of_run,
        notes=(*notes, *classes.notes, *scored.data_set.notes),
        class_names=classes.names,
        scores=score_predictions(predictions.probabilities, predictions.labels),
        names=predictions.names,
        labels=predictions.labels,
        predicted=predictions.probabilities.argmax(axis=1),
        probabilities=predictions.probabilities,
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
