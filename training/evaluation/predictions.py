"""What a model predicts for every image of a split."""

from dataclasses import dataclass

import numpy as np

from training.data.batches import evaluation_batches


@dataclass(frozen=True, eq=False)
class Mistake:
    """A misclassified image.

    Attributes:
        name: of the image.
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
    """Predictions for the images of a split that can be read, in the stored order.

    Attributes:
        names: tuple of strings (images,).
        labels: integers (images,).
        probabilities: float32 (images, classes).
        mistakes: tuple of `Mistake`, the most confident one first.
        broken_names: tuple of strings, images that cannot be read.
        examples: uint8 (up to 8, height, width, 3), the first images.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    mistakes: tuple[Mistake, ...]
    broken_names: tuple[str, ...]
    examples: np.ndarray


def predict_split(
    predict, split, size, crop, batch_size=64, columns=None, mistakes=24, progress=None
):
    """Predicts the class of every image of a split.

    Args:
        predict: function from uint8 images (count, *size, 3) to probabilities (count, classes).
        split: `Split`.
        size: (height, width) of the model in pixels.
        crop: side of the centre crop, as `evaluation_batches` takes it.
        batch_size: integer.
        columns: integers (classes,), the model's class for each of the split's; None if their
            classes are in the same order.
        mistakes: integer, how many of the most confident mistakes to keep. Defaults to 24.
        progress: function that is told (images done, all images) after each batch, or None.

    Returns:
        `Predictions`.

    Raises:
        ValueError: the model has another number of classes than the split, or none of the images
            can be read.
    """
    labels, probabilities, readable, examples, worst = [], [], [], [], []
    done = 0
    batches = evaluation_batches(split, size, batch_size, crop)
    for images, targets, weights in batches.as_numpy_iterator():
        images = images.astype("uint8")
        predicted = predict(images)
        if predicted.shape[1] != targets.shape[1]:
            raise ValueError(class_counts_differ(predicted.shape[1], targets.shape[1]))
        if columns is not None:
            predicted = predicted[:, columns]
        good = weights > 0
        positions = done + np.flatnonzero(good)
        images, predicted, truth = images[good], predicted[good], targets[good].argmax(axis=1)
        readable.append(positions)
        labels.append(truth)
        probabilities.append(predicted)
        examples.extend(images[: 8 - len(examples)])
        worst = _most_confident(worst, images, predicted, truth, positions, mistakes)
        done += len(weights)
        if progress is not None:
            progress(min(done, split.size), split.size)

    readable = np.concatenate(readable)
    if len(readable) == 0:
        raise ValueError(f"None of the {split.size:,} images can be read.")
    # Names come from a pass of their own, which reads no image files.
    names = [
        name.decode(errors="backslashreplace")
        for name in split.in_order().map(lambda example: example["name"]).as_numpy_iterator()
    ]
    broken = np.setdiff1d(np.arange(split.size), readable)
    return Predictions(
        names=tuple(names[position] for position in readable),
        labels=np.concatenate(labels),
        probabilities=np.concatenate(probabilities),
        mistakes=tuple(
            Mistake(names[position], image, label, predicted, confidence)
            for confidence, position, label, predicted, image in worst
        ),
        broken_names=tuple(sorted(names[position] for position in broken)),
        examples=np.stack(examples),
    )


def class_counts_differ(model, data):
    """Returns the sentence about a model and data with different numbers of classes."""
    return (
        f"The model must tell the data's classes apart: the model has {model} classes, and the "
        f"data has {data}."
    )


def _most_confident(worst, images, probabilities, labels, positions, limit):
    """Adds a batch's mistakes to the list of (confidence, position, label, predicted, image)."""
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
    return sorted(worst + found, key=lambda mistake: (-mistake[0], mistake[1]))[:limit]
