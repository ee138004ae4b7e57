"""Scores several saved models, or forms of one, side by side."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_cabvit.export.latency import median_latencies
from keras_cabvit.export.size_on_disk import size_on_disk
from training.evaluation.metrics import score_predictions
from training.evaluation.opened_model import open_model
from training.evaluation.predictions import predict_split
from training.evaluation.setting import columns_for, scored_images, size_and_crop
from training.report.score_table import ModelScore, score_row, score_table


@dataclass(frozen=True)
class Comparison:
    """Models side by side.

    Attributes:
        rows: tuple of `ModelScore`.
        note: sentences that say which images were scored.
        notes: tuple of sentences about what a person should know.
    """

    rows: tuple[ModelScore, ...]
    note: str
    notes: tuple[str, ...]

    @property
    def table(self):
        """The rows as a Markdown table."""
        return score_table(self.rows)


def compare(
    paths,
    data=None,
    split="test",
    *,
    image_size=None,
    crop=None,
    batch_size=64,
    latency_rounds=50,
    progress=None,
):
    """Scores several saved models on the same images.

    Args:
        paths: list of what `open_model` takes.
        data: as `evaluate` takes it; None takes the data of the first model that comes from a run.
        split: as `evaluate` takes it.
        image_size: (height, width) in pixels, for models that take any size.
        crop: as `evaluate` takes it; where a model's own is unknown, that of the first model that
            comes from a run counts.
        batch_size: integer, images at a time.
        latency_rounds: integer, how many single images are timed.
        progress: function that is told (images done, all images) after each batch, or None.

    Returns:
        `Comparison`.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `evaluate` does.
    """
    if not paths:
        raise ValueError("Name at least one model to compare.")
    models = [open_model(path) for path in paths]
    run = next((model.run for model in models if model.run), None)
    scored = scored_images(data, split, run)
    ways = [size_and_crop(model, image_size, crop, models) for model in models]
    columns = [columns_for(model, scored.data_set.class_names) for model in models]
    predictions = []
    for number, (model, (size, own_crop, _)) in enumerate(zip(models, ways, strict=True)):

        def told(done, images, number=number):
            progress(number * images + done, len(models) * images)

        predictions.append(
            predict_split(
                model.predict,
                scored.split,
                size,
                own_crop,
                batch_size,
                columns[number][0],
                mistakes=0,
                progress=progress and told,
            )
        )
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    rows = _rows(
        [(name, model.form, model.size) for name, model in zip(names, models, strict=True)],
        [model.predict for model in models],
        [each.probabilities for each in predictions],
        predictions[0].labels,
        [each.examples for each in predictions],
        latency_rounds,
    )
    notes = [note for *_, found in ways for note in found]
    notes += [note for _, found in columns for note in found]
    broken = predictions[0].broken_names
    if broken:
        notes.append(f"{len(broken)} images cannot be read and were not scored: {broken[0]}, ...")
    return Comparison(rows, scored.note, (*notes, *scored.data_set.notes))


def score_forms(forms, images, labels, latency_rounds=50, batch_size=100):
    """Scores forms of one model on images in memory.

    Args:
        forms: dict from a form's name to (path on disk, function from uint8 images to
            probabilities).
        images: uint8 array (count, height, width, channels), as the model takes them.
        labels: integer array (count,).
        latency_rounds: integer, how many single images are timed. Defaults to 50.
        batch_size: integer, images at a time.

    Returns:
        A tuple of `ModelScore`, in the order of `forms`.
    """
    predictors = [predict for _, predict in forms.values()]
    probabilities = [
        np.concatenate(
            [
                predict(images[start : start + batch_size])
                for start in range(0, len(images), batch_size)
            ]
        )
        for predict in predictors
    ]
    return _rows(
        [(Path(path).name, form, size_on_disk(path)) for form, (path, _) in forms.items()],
        predictors,
        probabilities,
        labels,
        [images] * len(forms),
        latency_rounds,
    )


def _rows(models, predictors, probabilities, labels, examples, latency_rounds):
    latencies = median_latencies(predictors, examples, latency_rounds)
    first = probabilities[0].argmax(axis=1)
    rows = []
    for (name, form, size), latency, of_model in zip(models, latencies, probabilities, strict=True):
        agreement = float(np.mean(of_model.argmax(axis=1) == first))
        scores = score_predictions(of_model, labels)
        rows.append(score_row(name, form, scores, size, latency, agreement))
    return tuple(rows)
