"""The predictions of a model for all images of a split."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    labels, probabilities, readable = [], [], []
    examples: list[np.ndarray] = []
    worst = _WorstMistakes()
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
        worst.add(images, predicted, truth, positions)
        done += len(weights)
        if progress is not None:
            progress(min(done, split.size), split.size)

    read = np.concatenate(readable)
    if len(read) == 0:
        raise ValueError(f"None of the {split.size:,} images can be read.")
    # Names come from a separate pass, which reads no image files.
    names = [
        name.decode(errors="backslashreplace")
        for name in split.in_order().map(lambda example: example["name"]).as_numpy_iterator()
    ]
    broken = np.setdiff1d(np.arange(split.size), read)
    of_images, of_labels = np.concatenate(probabilities), np.concatenate(labels)
    suspected = suspected_labels(of_images, of_labels)
    pictured = read[suspected[:_MOST_PICTURES]].tolist()
    pictures = _images_at(pictured, worst.images(), split, framing)
    names_read = tuple(names[position] for position in read)
    return Predictions(
        names=names_read,
        labels=of_labels,
        probabilities=of_images,
        mistakes=tuple(
            Mistake(names[position], image, label, predicted, confidence)
            for confidence, position, label, predicted, image in worst.found
        ),
        suspects=_suspects(suspected, of_images, of_labels, names_read, pictures),
        broken_names=tuple(sorted(names[position] for position in broken)),
        examples=np.stack(examples),
    )


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


@dataclass
class _WorstMistakes:
    """The most confident mistakes so far.

    Attributes:
        found: list of (confidence, position, label, predicted, image), the most confident first.
    """

    found: list[tuple] = field(default_factory=list)

    def images(self) -> dict[int, np.ndarray]:
        """Returns a dict from the position of each mistake to its image."""
        return {position: image for _, position, _, _, image in self.found}

    def add(
        self,
        images: np.ndarray,
        probabilities: np.ndarray,
        labels: np.ndarray,
        positions: np.ndarray,
    ) -> None:
        """Adds the mistakes of a batch."""
        predicted = probabilities.argmax(axis=1)
        confidence = probabilities.max(axis=1)
        found = [
            (
                float(confidence[index]),
                int(positions[index]),
                int(labels[index]),
                int(predicted[index]),
                images[index],
            )
            for index in np.flatnonzero(predicted != labels)
        ]
        order = sorted(self.found + found, key=lambda mistake: (-mistake[0], mistake[1]))
        # Copies: a part of a batch would keep all of it in memory.
        self.found = [(*facts, image.copy()) for *facts, image in order[:_MOST_MISTAKES]]
