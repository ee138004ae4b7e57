"""Holds an export against the model it was made from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops

from keras_cabvit.runtimes.classifiers import (
    keras_classifier,
    saved_model_classifier,
    tflite_classifier,
)
from keras_cabvit.runtimes.delegation import Delegation, delegation
from keras_cabvit.runtimes.latency import median_latencies
from keras_cabvit.runtimes.size_on_disk import size_on_disk


@dataclass(frozen=True)
class Verification:
    """What an export gives, next to its model.

    Attributes:
        images: integer, how many were given to both.
        agreement: share of the images that both put into the same class.
        scores: "logits", of which the signal-to-noise ratio is. Those of probabilities are their
            logarithms, less the mean of each image, which softmax takes away. "probabilities" where
            some are zero, as integers can be, and have no logarithm.
        signal_to_noise: float, in decibels, see `signal_to_noise`.
        accuracy: share of the images that the export puts into the right class; None without
            labels.
        model_accuracy: the same of the model.
        latency: seconds that the export takes for one image, the median.
        model_latency: the same of the model, in the same run, in turns.
        size: bytes of the export on disk.
        model_size: bytes of the model.
        delegation: `Delegation` of a .tflite file to XNNPACK; None of a SavedModel.
    """

    images: int
    agreement: float
    scores: str
    signal_to_noise: float
    accuracy: float | None
    model_accuracy: float | None
    latency: float
    model_latency: float
    size: int
    model_size: int
    delegation: Delegation | None


def verify(export, model, images, labels=None, rounds=50):
    """Runs an export and its model on the same images.

    The export runs as its user runs it: a .tflite file with LiteRT, 2 threads and XNNPACK, a
    SavedModel with TensorFlow. The model runs in Keras, on its backend.

    Args:
        export: path of a `.tflite` file or of a SavedModel directory.
        model: path of the `.keras` file that it was made from.
        images: uint8 array (count, height, width, channels).
        labels: integers (count,), the right classes, or None.
        rounds: integer, how many images are timed. Defaults to 50.

    Returns:
        `Verification`.

    Raises:
        FileNotFoundError: there is no such export or model.
        ImportError: the runtime of the export is not installed.
        ValueError: one of them is damaged, or export, model, images and labels do not belong
            together.
    """
    return verify_opened(export, model, keras_classifier(model), images, labels, rounds)


def verify_opened(export, model, expected, images, labels, rounds):
    """Does what `verify` does with a model that `keras_classifier` opened: `expected`."""
    export, model = Path(export), Path(model)
    found = _open(export)
    images = np.asarray(images)
    if not len(images) or images.shape[1:] != tuple(expected.image_shape):
        raise ValueError(
            f"`images` must be of shape (count, {', '.join(map(str, expected.image_shape))}), as "
            f"{model} takes them, and at least one. Received: shape {images.shape}"
        )
    for what, of_export, of_model in (
        ("images of shape", found.image_shape, expected.image_shape),
        ("classes:", found.classes, expected.classes),
    ):
        if of_export != of_model:
            raise ValueError(
                f"{export} was not made from {model}: the one has {what} {of_export}, the other "
                f"{of_model}."
            )
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"`labels` must be {len(images)} integers, the class of each image. "
                f"Received: {labels.dtype} of shape {labels.shape}"
            )
    if rounds < 1:
        raise ValueError(f"`rounds` must be at least 1. Received: rounds={rounds}")

    given, wanted = (_in_batches(each.scores, images) for each in (found, expected))
    classes, model_classes = given.argmax(axis=1), wanted.argmax(axis=1)
    # Without a name it is not known what another exporter's scores are: then as the model's.
    probabilities = found.gives_probabilities
    if probabilities is None:
        probabilities = expected.gives_probabilities
    kind, given, wanted = comparable_scores(
        given, wanted, bool(probabilities), bool(expected.gives_probabilities)
    )
    latency, model_latency = median_latencies(
        [found.scores, expected.scores], [images, images], rounds
    )
    return Verification(
        images=len(images),
        agreement=float(np.mean(classes == model_classes)),
        scores=kind,
        signal_to_noise=signal_to_noise(wanted, given),
        accuracy=None if labels is None else float(np.mean(classes == labels)),
        model_accuracy=None if labels is None else float(np.mean(model_classes == labels)),
        latency=latency,
        model_latency=model_latency,
        size=size_on_disk(export),
        model_size=size_on_disk(model),
        delegation=delegation(export) if export.suffix == ".tflite" else None,
    )


def comparable_scores(given, wanted, given_probabilities, wanted_probabilities):
    """Makes the scores of an export and of its model the same kind: logits where they can be.

    Args:
        given: array (images, classes) of the export's scores.
        wanted: array of the same shape, the model's.
        given_probabilities: whether the export's scores are probabilities, not logits.
        wanted_probabilities: the same of the model's.

    Returns:
        "logits" or "probabilities", as `Verification.scores` says, and both arrays as these.
    """
    if not given_probabilities and not wanted_probabilities:
        return "logits", given, wanted
    if not given_probabilities:
        given = ops.convert_to_numpy(ops.softmax(given))
    if not wanted_probabilities:
        wanted = ops.convert_to_numpy(ops.softmax(wanted))
    if min(given.min(), wanted.min()) <= 0:
        return "probabilities", given, wanted
    logits = [np.log(np.asarray(scores, "float64")) for scores in (given, wanted)]
    given, wanted = (scores - scores.mean(axis=1, keepdims=True) for scores in logits)
    return "logits", given, wanted


def signal_to_noise(expected, given):
    """Returns the signal-to-noise ratio of scores in decibels.

    10 log10 of the mean square of the expected scores over that of their differences: 30 dB are
    errors of 3 % of a typical score, 20 dB of 10 %. Equal scores have an infinite one.

    Args:
        expected: array of the model's scores.
        given: array of the same shape, the export's.
    """
    expected, given = np.asarray(expected, "float64"), np.asarray(given, "float64")
    noise = np.mean((expected - given) ** 2)
    return float(10 * np.log10(np.mean(expected**2) / noise)) if noise else float("inf")


def _open(export):
    if export.suffix == ".tflite":
        return tflite_classifier(export)
    return saved_model_classifier(export)


def _in_batches(scores, images):
    batches = [scores(images[start : start + 32]) for start in range(0, len(images), 32)]
    return np.concatenate([np.asarray(batch) for batch in batches])
