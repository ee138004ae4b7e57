"""The predictions of a model for all images of a split."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_cabvit.data import evaluation_image
from keras_cabvit.data.listed import listed
from keras_cabvit.figures.names import without_controls
from training.data.batches import evaluation_batches
from training.data.split import Split
from training.evaluation.suspects import Suspect, suspected_labels

# The number of most confident mistakes to keep, and of suspects with their images.
_MOST_MISTAKES = 24
_MOST_PICTURES = 24


@dataclass(frozen=True)
class Framing:
    """Size, crop and batches of the images that a model gets.

    Attributes:
        size: (height, width) of the model in pixels.
        crop: side of the centre crop, as `evaluation_batches` takes it.
        batch_size: images at a time.
    """

    size: tuple[int, int]
    crop: float = 1.0
    batch_size: int = 64


@dataclass(frozen=True, eq=False)
class Mistake:
    """A misclassified image.

    Attributes:
        name: name of the image.
        image: uint8 (height, width, 3), as the model saw it.
        label: integer, its class.
        predicted: integer, the predicted class.
        confidence: float, the probability of that class.
    """

    name: str
    image: np.ndarray
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for the readable images of a split, in the stored order.

    Attributes:
        names: tuple of strings (images,).
        labels: integers (images,).
        probabilities: float32 (images, classes).
        mistakes: tuple of up to 24 `Mistake`s, the most confident one first.
        suspects: tuple of `Suspect`s, images whose label is worth a second look, the most
            suspicious first; the first 24 have their images.
        broken_names: tuple of strings, images that cannot be read.
        examples: uint8 (up to 8, height, width, 3), the first images.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    mistakes: tuple[Mistake, ...]
    suspects: tuple[Suspect, ...]
    broken_names: tuple[str, ...]
    examples: np.ndarray

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence on the images that cannot be read, if there are any."""
        if not self.broken_names:
            return ()
        names = listed(map(without_controls, self.broken_names), 3)
        count = len(self.broken_names)
        return (f"{count:,} of the images cannot be read and got no score: {names}.",)


def predict_split(
    predict: Callable[[np.ndarray], np.ndarray],
    split: Split,
    framing: Framing,
    columns: list[int] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Predictions:
    """Predicts the class of every image of a split.

    Args:
        predict: function from uint8 images (count, height, width, 3) to probabilities (count,
            classes).
        split: `Split`.
        framing: `Framing`.
        columns: integers, the model's classes in the order of the probabilities: first that of each
            of the split's classes, then those that the split lacks. None if the classes are the
            same, in the same order.
        progress: function called with (images done, all images) after each batch, or None.

    Returns:
        `Predictions`.

    Raises:
        ValueError: the model gives another number of classes, or none of the images can be read.
    """
    found = _gathered(predict, split, framing, columns, progress)
    positions, labels, probabilities = found.positions, found.labels, found.probabilities
    if len(positions) == 0:
        raise ValueError(f"None of the {split.size:,} images can be read.")
    # Names come from a separate pass, which reads no image files.
    names = [
        name.decode(errors="backslashreplace")
        for name in split.in_order().map(lambda example: example["name"]).as_numpy_iterator()
    ]
    names_read = tuple(names[position] for position in positions)
    broken = np.setdiff1d(np.arange(split.size), positions)
    suspected = suspected_labels(probabilities, labels)
    pictured = positions[suspected[:_MOST_PICTURES]].tolist()
    pictures = _images_at(
        pictured, {each.position: each.image for each in found.worst}, split, framing
    )
    return Predictions(
        names=names_read,
        labels=labels,
        probabilities=probabilities,
        mistakes=tuple(
            Mistake(names[each.position], each.image, each.label, each.predicted, each.confidence)
            for each in found.worst
        ),
        suspects=_suspects(suspected, probabilities, labels, names_read, pictures),
        broken_names=tuple(sorted(names[position] for position in broken)),
        examples=found.examples,
    )


class _Wrong(NamedTuple):
    """A misclassified image, by its position in the split."""

    confidence: float
    position: int
    label: int
    predicted: int
    image: np.ndarray


@dataclass(frozen=True, eq=False)
class _Gathered:
    """What one pass over a split gives.

    Attributes:
        positions: integers (images,), the places of the readable images in the split.
        labels: integers (images,), their classes.
        probabilities: float32 (images, classes).
        worst: list of up to 24 `_Wrong`, the most confident first.
        examples: uint8 (up to 8, height, width, 3), the first images.
    """

    positions: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    worst: list[_Wrong]
    examples: np.ndarray


def _gathered(
    predict: Callable[[np.ndarray], np.ndarray],
    split: Split,
    framing: Framing,
    columns: list[int] | None,
    progress: Callable[[int, int], Any] | None,
) -> _Gathered:
    """Predicts a split batch by batch; the arguments are those of `predict_split`."""
    labels, probabilities, readable = [], [], []
    examples: list[np.ndarray] = []
    worst: list[_Wrong] = []
    done = 0
    batches = evaluation_batches(split, framing.size, framing.batch_size, framing.crop)
    for images, targets, weights in batches.as_numpy_iterator():
        images = images.astype("uint8")
        predicted = predict(images)
        classes = targets.shape[1] if columns is None else len(columns)
        if predicted.shape[1] != classes:
            raise ValueError(
                f"The model must give scores of {classes} classes. It gives {predicted.shape[1]}."
            )
        if columns is not None:
            predicted = predicted[:, columns]
        good = weights > 0
        positions = done + np.flatnonzero(good)
        images, predicted, truth = images[good], predicted[good], targets[good].argmax(axis=1)
        readable.append(positions)
        labels.append(truth)
        probabilities.append(predicted)
        examples.extend(images[: 8 - len(examples)].copy())
        worst = _worst_of([*worst, *_wrong(images, predicted, truth, positions)])
        done += len(weights)
        if progress is not None:
            progress(min(done, split.size), split.size)
    return _Gathered(
        np.concatenate(readable),
        np.concatenate(labels),
        np.concatenate(probabilities),
        worst,
        np.array(examples),
    )


def _wrong(
    images: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, positions: np.ndarray
) -> list[_Wrong]:
    """Returns the misclassified images of a batch."""
    predicted = probabilities.argmax(axis=1)
    return [
        _Wrong(
            float(probabilities[index, predicted[index]]),
            int(positions[index]),
            int(labels[index]),
            int(predicted[index]),
            images[index],
        )
        for index in np.flatnonzero(predicted != labels)
    ]


def _worst_of(wrong: list[_Wrong]) -> list[_Wrong]:
    """Returns the most confident mistakes, the most confident first."""
    worst = sorted(wrong, key=lambda each: (-each.confidence, each.position))[:_MOST_MISTAKES]
    # Copies: a part of a batch would keep all of it in memory.
    return [each._replace(image=each.image.copy()) for each in worst]


def _suspects(
    found: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    pictures: list[np.ndarray],
) -> tuple[Suspect, ...]:
    """Returns the suspects with the numbers `found`; `pictures` are the images of the first."""
    predicted = probabilities.argmax(axis=1)
    return tuple(
        Suspect(
            names[index],
            int(labels[index]),
            int(predicted[index]),
            float(probabilities[index, predicted[index]]),
            float(probabilities[index, labels[index]]),
            picture,
        )
        for index, picture in itertools.zip_longest(found, pictures)
    )


def _images_at(
    positions: list[int], known: dict[int, np.ndarray], split: Split, framing: Framing
) -> list[np.ndarray]:
    """Returns the images at positions of a split, as the model sees them.

    Those that are not in `known`, by position, are read again; no others are decoded.
    """
    missing = [position for position in positions if position not in known]
    if missing:
        wanted = tf.constant(missing, tf.int64)
        images = (
            split.in_order()
            .enumerate()
            .filter(lambda position, _: tf.reduce_any(position == wanted))
            .map(
                lambda position, example: (
                    position,
                    evaluation_image(split.image(example), framing.size, framing.crop),
                )
            )
        )
        known = known | {int(position): image for position, image in images.as_numpy_iterator()}
    return [known[position] for position in positions]
