"""Scores several saved models, or forms of one, side by side."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.data.crops import check_crop
from keras_cabvit.runtimes.latency import median_latencies
from keras_cabvit.runtimes.opened_model import OpenedModel, open_model
from keras_cabvit.runtimes.size_and_crop import size_and_crop
from keras_cabvit.runtimes.size_on_disk import size_on_disk
from training.data.data_set import DataSet
from training.data.image_list import image_digests, image_list, read_image_list
from training.evaluation.arguments import check_at_least_one
from training.evaluation.metrics import score_predictions
from training.evaluation.model_score import ModelScore, model_score
from training.evaluation.predictions import Framing, predict_split
from training.evaluation.scored_classes import scored_classes
from training.evaluation.scored_images import Scored, choices_on_validation, scored_images
from training.run.known_images import KnownImages


@dataclass(frozen=True)
class Comparison:
    """Models side by side.

    Attributes:
        rows: tuple of `ModelScore`.
        note: sentences on the images that were scored.
        notes: tuple of sentences that the reader should know.
    """

    rows: tuple[ModelScore, ...]
    note: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A model and its predictions.

    Attributes:
        name: string.
        form: string.
        size: integer, bytes on disk.
        predict: function from images to probabilities.
        probabilities: array (images, classes).
        examples: images for timing it.
        class_names: tuple of strings, in the order of the probabilities. Empty if all candidates
            have the same order.
    """

    name: str
    form: str
    size: int
    predict: Callable[[np.ndarray], np.ndarray]
    probabilities: np.ndarray
    examples: np.ndarray
    class_names: tuple[str, ...] = ()

    @property
    def predicted(self) -> np.ndarray:
        """The class of each image, comparable with that of other candidates."""
        classes = self.probabilities.argmax(axis=1)
        return np.asarray(self.class_names)[classes] if self.class_names else classes


def compare(
    paths: Sequence[str | os.PathLike],
    data: DataSet | str | None = None,
    split: str = "test",
    *,
    image_size: tuple[int, int] | None = None,
    crop: float | None = None,
    batch_size: int = 64,
    latency_rounds: int = 50,
    classes_by_position: bool = False,
    labels: str | os.PathLike | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Comparison:
    """Scores several saved models on the same images.

    Args:
        paths: list of paths as `open_model` takes them.
        data: as `evaluate` takes it; None takes the data of the first model that comes from a run.
        split: as `evaluate` takes it.
        image_size: (height, width) in pixels, for models that take any size.
        crop: as `evaluate` takes it; a model whose own crop is unknown gets that of the first model
            that comes from a run.
        batch_size: integer, images at a time.
        latency_rounds: integer, the number of single images that are timed.
        classes_by_position: as `evaluate` takes it.
        labels: table of files, classes and splits for the images of a folder that `data` names, as
            `read_label_table` takes it; None takes them from the names of its folders.
        progress: function called with (images done, all images) after each batch, or None.

    Returns:
        `Comparison`.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `evaluate` does.
    """
    if not paths:
        raise ValueError("Name at least one model to compare.")
    check_at_least_one(batch_size=batch_size, latency_rounds=latency_rounds)
    check_crop(crop)
    models = [open_model(path) for path in paths]
    run = next((model.run for model in models if model.run), None)
    scored = scored_images(data, split, run, labels)
    framings = [size_and_crop(model, image_size, crop, models) for model in models]
    classes = [scored_classes(model, scored.data_set, classes_by_position) for model in models]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    roles = [
        sentence
        for name, model in zip(names, models, strict=True)
        if model.run and model.run != run
        for sentence in _role_in_training(scored, name, model)
    ]
    candidates: list[_Candidate] = []
    for number, (model, name) in enumerate(zip(models, names, strict=True)):

        def report(done: int, images: int, number: int = number) -> None:
            if progress is not None:
                progress(number * images + done, len(models) * images)

        size, own_crop, _ = framings[number]
        framing = Framing(size, own_crop, batch_size)
        predictions = predict_split(
            model.predict, scored.split, framing, classes[number].columns, report
        )
        candidates.append(
            _Candidate(
                name,
                model.form,
                model.size,
                model.predict,
                predictions.probabilities,
                predictions.examples,
                classes[number].names,
            )
        )
    rows = _rows(candidates, predictions.labels, latency_rounds)
    notes = [note for *_, found in framings for note in found]
    notes += [note for found in classes for note in found.notes]
    notes = [*predictions.notes, *roles, *notes, *scored.data_set.all_notes]
    return Comparison(rows, scored.note, tuple(notes))


def _role_in_training(scored: Scored, name: str, model: OpenedModel) -> list[str]:
    """Returns sentences on the role of the scored images in the making of another run's model."""
    run = model.run or {}
    images, before = image_list(scored.data_set), read_image_list(model.path.parent)
    if scored.split_name not in ("validation", "test") or images is None or before is None:
        try:
            return [f"{name}: {sentence}" for sentence in scored.role_in_training(run)]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    known = KnownImages(before, image_digests(scored.data_set))
    names = images[scored.split_name]
    learned = [each for each in names if known.is_learned(each)]
    if learned:
        raise ValueError(
            f"{name} was trained on {len(learned):,} of the {len(names):,} {scored.split_name} "
            f"images, such as {learned[0]}: its scores would say little about other images. Score "
            "images that no model was trained on with --data."
        )
    if not any(map(known.is_held, names)):
        return []
    return [f"{name}: The model was not trained on them. {choices_on_validation(run)}"]


def score_forms(
    forms: Mapping[str, tuple[str | os.PathLike, Callable[[np.ndarray], np.ndarray]]],
    images: np.ndarray,
    labels: np.ndarray,
    latency_rounds: int = 50,
    batch_size: int = 100,
) -> tuple[ModelScore, ...]:
    """Scores forms of one model on images in memory.

    Args:
        forms: dict from a form's name to (path on disk, function from uint8 images to
            probabilities).
        images: uint8 array (count, height, width, channels), as the model takes them.
        labels: integer array (count,).
        latency_rounds: integer, the number of single images that are timed. Defaults to 50.
        batch_size: integer, images at a time.

    Returns:
        A tuple of `ModelScore`, in the order of `forms`.

    Raises:
        ValueError: `latency_rounds` or `batch_size` is below 1.
    """
    check_at_least_one(batch_size=batch_size, latency_rounds=latency_rounds)
    candidates = []
    for form, (path, predict) in forms.items():
        starts = range(0, len(images), batch_size)
        probabilities = [predict(images[start : start + batch_size]) for start in starts]
        candidates.append(
            _Candidate(
                Path(path).name,
                form,
                size_on_disk(path),
                predict,
                np.concatenate(probabilities),
                images,
            )
        )
    return _rows(candidates, labels, latency_rounds)


def _rows(
    candidates: list[_Candidate], labels: np.ndarray, latency_rounds: int
) -> tuple[ModelScore, ...]:
    latencies = median_latencies(
        [each.predict for each in candidates],
        [each.examples for each in candidates],
        latency_rounds,
    )
    first = candidates[0].predicted
    rows = []
    for candidate, latency in zip(candidates, latencies, strict=True):
        agreement = float(np.mean(candidate.predicted == first))
        scores = score_predictions(candidate.probabilities, labels)
        rows.append(model_score(candidate, scores, latency, agreement))
    return tuple(rows)
