"""Scores a saved model on real images."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_cabvit.data.crops import check_crop
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.latency import median_latencies
from keras_cabvit.runtimes.opened_model import OpenedModel, open_model
from keras_cabvit.runtimes.run_record import read_run
from keras_cabvit.runtimes.size_and_crop import size_and_crop
from training.data.data_set import DataSet
from training.data.opening import check_outside
from training.evaluation.arguments import check_at_least_one
from training.evaluation.metrics import score_predictions
from training.evaluation.predictions import Framing, Predictions, predict_split
from training.evaluation.refusal import (
    COVERAGE,
    Refusal,
    choose_threshold,
    refusal_cost,
    refusal_of_record,
)
from training.evaluation.result import Evaluation
from training.evaluation.scored_classes import ScoredClasses, scored_classes
from training.evaluation.scored_images import Scored, data_of_run, scored_images
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
    labels: str | os.PathLike | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Evaluation:
    """Scores a saved model, and optionally writes a report.

    Classes are matched by name, see `keras_cabvit.data.class_names`; the data may have only some of
    the model's.

    Args:
        path: as `open_model` takes it: a run's folder, a `.keras` file, a SavedModel directory, or
            a `.tflite` or `.onnx` file.
        data: `DataSet`, or "fashion_mnist", "elpv", "folder:PATH" or "tfds:NAME"; None takes the
            data that the run was trained on.
        split: "test", "validation", "training", or "all" for these together. If the data has no
            test images of its own, "test" falls back to the validation images, and the note says
            so.
        out: folder for `report.md` and its pictures; None writes nothing. In the folder of a run
            that has its report, only the same report is written again.
        image_size: (height, width) in pixels, for a model that takes any size.
        crop: side of the centre crop as a share of the image; None is the crop that the model
            states, else the run's, else the authors': 0.875 below 384 pixels, else 1.
        batch_size: integer, images at a time.
        latency_rounds: integer, the number of single images that are timed.
        classes_by_position: whether the data's classes are in the model's order, whatever their
            names. Defaults to False: classes are matched by name.
        labels: table of files, classes and splits for the images of a folder that `data` names, as
            `read_label_table` takes it; None takes them from the names of its folders.
        progress: function called with (images done, all images) after each batch, or None.

    Returns:
        `Evaluation`.

    Raises:
        FileNotFoundError: there is no model at `path`, or the data is missing.
        ValueError: the file is damaged, not a classifier, or does not fit the data; an argument is
            wrong; or `out` holds the report of a run, which another one would replace.
        ImportError: a package that the model or the data needs is not installed.
        OSError: the report cannot be written.
    """
    check_at_least_one(batch_size=batch_size, latency_rounds=latency_rounds)
    check_crop(crop)
    out = None if out is None else local_path(out, "out")
    started = time.perf_counter()
    model = open_model(path)
    spec = data or data_of_run(model.run or {})
    if out is not None and isinstance(spec, str):
        check_outside(spec, out)
    as_in_run = image_size is None and crop is None
    size, crop, notes = size_and_crop(model, image_size, crop)
    scored = scored_images(data, split, model.run, labels)
    if out is not None:
        as_in_run = as_in_run and scored.are_scored_of_run
        _check_report_of_run(out, model.path if as_in_run else None)
    classes = scored_classes(model, scored.data_set, classes_by_position)
    framing = Framing(size, crop, batch_size)
    predictions = predict_split(model.predict, scored.split, framing, classes.columns, progress)
    (latency,) = median_latencies([model.predict], [predictions.examples], latency_rounds)
    refusal = _refusal(model, scored, predictions, framing, classes)
    evaluation = Evaluation(
        name=model.name,
        form=model.form,
        path=model.path,
        data=scored.data_set.name,
        note=scored.note,
        are_test_of_run=scored.are_test_of_run,
        notes=(*predictions.notes, *notes, *classes.notes, *scored.data_set.all_notes),
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
        suspects=predictions.suspects,
        refusal=refusal,
        training_counts=_training_counts(model, classes),
        duplicates=scored.data_set.duplicates,
    )
    if out is not None:
        from training.report.page import write_report  # which draws with matplotlib

        metrics = model.path.parent / "metrics.csv"
        history = read_metrics_csv(metrics) if model.run and metrics.is_file() else None
        write_report(out, evaluation, history, model.run)
    return evaluation


def _check_report_of_run(out: Path, model: Path | None) -> None:
    """Raises a ValueError if a report would replace that of a run.

    Args:
        out: folder for the report.
        model: file of the model, if it is scored as its own run scored it; None otherwise.
    """
    report, own = out / "report.md", out / "model.keras"
    if not report.is_file() or read_run(out) is None:
        return
    if model is not None and own.is_file() and own.samefile(model):
        return
    folder = out.resolve()
    raise ValueError(
        f"--out must not be the folder of a run, {out}: its own report, {report}, and the pictures "
        "would be replaced by those of other scores. Choose "
        f"{folder.with_name(folder.name + '_evaluation')}, for example."
    )


def _refusal(
    model: OpenedModel,
    scored: Scored,
    predictions: Predictions,
    framing: Framing,
    classes: ScoredClasses,
) -> Refusal | None:
    """Returns the threshold for "none of these", and its cost on the scored images.

    A run's record has it. Otherwise it is chosen on the validation images, if they are scored or if
    the run's own test images are; None if there are none or none is classified correctly.
    """
    probabilities, labels = predictions.probabilities, predictions.labels
    known = (model.run or {}).get("none_of_these")
    if known is not None:
        cost = refusal_cost(probabilities, labels, known["threshold"])
        return refusal_of_record(known, cost)
    data_set = scored.data_set
    are_validation = scored.split is data_set.validation
    if not are_validation:
        if not scored.are_test_of_run or not data_set.validation.size:
            return None
        predictions = predict_split(model.predict, data_set.validation, framing, classes.columns)
    of_validation = predictions.probabilities, predictions.labels
    threshold = choose_threshold(*of_validation)
    if threshold is None:
        return None
    return Refusal(
        threshold,
        COVERAGE,
        refusal_cost(*of_validation, threshold),
        None if are_validation else refusal_cost(probabilities, labels, threshold),
    )


def _training_counts(model: OpenedModel, classes: ScoredClasses) -> tuple[int, ...] | None:
    """Returns the training images of each scored class, as the model's run counted them."""
    counts = ((model.run or {}).get("images_per_class") or {}).get("training")
    if not counts or len(counts) != model.classes:
        return None
    return tuple(counts[column] for column in classes.columns)
