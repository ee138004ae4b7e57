"""The answer "none of these": a threshold on the confidence, and its cost."""

from dataclasses import asdict, dataclass, fields

import numpy as np

# The share of the correctly classified validation images that must still be answered.
COVERAGE = 0.95


@dataclass(frozen=True)
class RefusalCost:
    """The effect of a threshold on some images, all of which are of known classes.

    Attributes:
        images: the number of images.
        refused: share of them that is answered with "none of these".
        right_refused: share of the correctly classified images that is refused.
        wrong_refused: share of the misclassified images that is refused; None if there are none.
        accuracy: share of the others that is right; None if all are refused.
    """

    images: int
    refused: float
    right_refused: float
    wrong_refused: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Refusal:
    """A threshold for "none of these", chosen on validation images.

    Attributes:
        threshold: a prediction of a lower probability is answered with "none of these".
        coverage: share of the correctly classified validation images that it was to keep.
        validation: `RefusalCost` on the validation images.
        scored: `RefusalCost` on the images that were scored, if these are others; else None.
    """

    threshold: float
    coverage: float
    validation: RefusalCost
    scored: RefusalCost | None = None

    def as_record(self) -> dict:
        """Returns a dict that JSON can represent."""
        return asdict(self)


def refusal_of_record(record: dict, scored: RefusalCost | None = None) -> Refusal:
    """Returns the `Refusal` that `Refusal.as_record` wrote, with the cost on other images."""
    known = record["validation"]
    validation = RefusalCost(**{field.name: known.get(field.name) for field in fields(RefusalCost)})
    return Refusal(record["threshold"], record["coverage"], validation, scored)


def choose_threshold(
    probabilities: np.ndarray, labels: np.ndarray, coverage: float = COVERAGE
) -> float | None:
    """Chooses the threshold on the probability of the predicted class.

    The largest probability that at least `coverage` of the correctly classified images reach. It
    controls the cost of refusing, which images of known classes can tell; how many images of other
    things it refuses, they cannot. (Classification with a reject option, Chow 1970; the maximum of
    the softmax as its score, Hendrycks and Gimpel 2017.)

    Args:
        probabilities: float array (images, classes).
        labels: integer array (images,).
        coverage: float, above 0 and at most 1.

    Returns:
        A float, rounded down to six decimals; None if no image is classified correctly.

    Raises:
        ValueError: `coverage` is out of range.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"`coverage` must be above 0 and at most 1. Received: {coverage}")
    confidence = probabilities.max(axis=1)
    right = np.sort(confidence[probabilities.argmax(axis=1) == labels])[::-1]
    if not len(right):
        return None
    kept = min(len(right), int(np.ceil(coverage * len(right) - 1e-9)))
    return float(np.floor(float(right[kept - 1]) * 1e6) / 1e6)


def refusal_cost(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> RefusalCost:
    """Returns the `RefusalCost` of a threshold.

    Args:
        probabilities: float array (images, classes).
        labels: integer array (images,).
        threshold: float, the smallest probability of the predicted class that is answered.
    """
    right = probabilities.argmax(axis=1) == labels
    refused = probabilities.max(axis=1) < threshold
    return RefusalCost(
        images=len(labels),
        refused=float(refused.mean()),
        right_refused=float(refused[right].mean()) if right.any() else 0.0,
        wrong_refused=float(refused[~right].mean()) if not right.all() else None,
        accuracy=float(right[~refused].mean()) if not refused.all() else None,
    )
