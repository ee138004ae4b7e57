"""Images whose label is worth a second look, by confident learning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.csv_table import csv_text


@dataclass(frozen=True, eq=False)
class Suspect:
    """An image whose label the model confidently contradicts; the label may well be right.

    Attributes:
        name: name of the image.
        label: integer, its class.
        predicted: integer, the predicted class.
        confidence: float, the probability of the predicted class.
        label_confidence: float, the probability of its class.
        image: uint8 (height, width, 3), as the model saw it; None beyond the first few.
    """

    name: str
    label: int
    predicted: int
    confidence: float
    label_confidence: float
    image: np.ndarray | None = None


def suspected_labels(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Finds the images to look at first when labels are checked.

    The self-confidence of a class is the mean probability that the model gives to it for the images
    labelled with it. An image is suspected if the predicted class is not its label and has at least
    that class's self-confidence: the model is as sure as it usually is of images that really have
    that label. (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in
    Dataset Labels": the off-diagonal of their confident joint, without the images whose most
    probable class is below its threshold.) They are ordered by their normalised margin, the
    probability of the predicted class minus that of the label, the largest first.

    The predictions must not be of images that the model was trained on: it may have memorised their
    labels.

    Args:
        probabilities: float array (images, classes).
        labels: integer array (images,).

    Returns:
        Integers, the numbers of the suspected images. A class without images has no
        self-confidence, and no image is suspected to be of it.
    """
    positions = np.arange(len(labels))
    of_label = probabilities[positions, labels].astype("float64")
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, of_label, probabilities.shape[1])
    self_confidence = np.divide(sums, counts, out=np.full(len(counts), np.inf), where=counts > 0)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[positions, predicted].astype("float64")
    found = np.flatnonzero((predicted != labels) & (confidence >= self_confidence[predicted]))
    return found[np.argsort(of_label[found] - confidence[found], kind="stable")]


def suspects_as_csv(suspects: Sequence[Suspect], class_names: Sequence[str]) -> str:
    """Returns a table of suspects as CSV text, the most suspicious first.

    Args:
        suspects: `Suspect`s.
        class_names: strings, in the order of the labels.
    """
    return csv_text(
        ["image", "class", "predicted", "probability", "probability_of_class"],
        (
            [
                each.name,
                class_names[each.label],
                class_names[each.predicted],
                f"{each.confidence:.4f}",
                f"{each.label_confidence:.4f}",
            ]
            for each in suspects
        ),
    )
