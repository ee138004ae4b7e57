"""Scores of predictions: accuracy, cross-entropy, calibration, confusion.

Means over classes (balanced, macro) give every class the same weight, however many images it has.
"""

import math
from dataclasses import dataclass

import numpy as np

CALIBRATION_BINS = 15

# Keras' own epsilon: a probability of 0 would make the cross-entropy infinite.
_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True, eq=False)
class Calibration:
    """Accuracy of predictions by confidence.

    The confidence of a prediction is its probability. Predictions are put into bins of equal width,
    (0, 1/15], (1/15, 2/15], ... (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    Attributes:
        images: integers (15,), predictions in each bin.
        confidence: floats (15,), their mean confidence; NaN in an empty bin.
        accuracy: floats (15,), the share of them that is right; NaN in an empty bin.
    """

    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the bins' mean |accuracy - confidence|, by image count."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(np.average(gaps, weights=self.images))

    @property
    def error_by_chance(self) -> float:
        """`error` to expect of a calibrated model with this confidence, on so few images.

        It is not 0, because the accuracy of a bin of few images varies by chance: the number of
        right predictions is taken to be binomial, with the bin's mean confidence.
        """
        filled = self.images > 0
        images, confidence = self.images[filled], np.clip(self.confidence[filled], 0, 1)
        deviations = [_mean_deviation(*each) for each in zip(images, confidence, strict=True)]
        return float(sum(deviations) / self.images.sum())


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a model's predictions on some images.

    Attributes:
        images: the number of images that were scored.
        top1: share of the images whose most probable class is the right one.
        top5: share of the images whose class is among the five most probable ones. With five
            classes or fewer it is always 1, and tables leave it out.
        cross_entropy: mean of -log(probability of the right class), in nats; probabilities below
            1e-7 count as 1e-7.
        calibration: accuracy by confidence.
        confusion: integers (classes, classes), images of each class (row) by predicted class
            (column).
    """

    images: int
    top1: float
    top5: float
    cross_entropy: float
    calibration: Calibration
    confusion: np.ndarray

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.confusion)

    @property
    def top1_standard_error(self) -> float:
        """Standard error of `top1` from the limited number of images."""
        return float(np.sqrt(self.top1 * (1 - self.top1) / self.images))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, 0 to 1."""
        return self.calibration.error

    @property
    def support(self) -> np.ndarray:
        """Images of each class: integers (classes,)."""
        return self.confusion.sum(axis=1)

    @property
    def precision(self) -> np.ndarray:
        """Share of the predictions of a class that are right; NaN without any. (classes,)."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """Share of a class's images that are found; NaN without any. (classes,)."""
        return _share(np.diag(self.confusion), self.support)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall; NaN for an absent class. (classes,)."""
        return _share(2 * np.diag(self.confusion), self.support + self.confusion.sum(axis=0))

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes with images: the accuracy if all had equally many.

        The same as macro recall (Brodersen et al. 2010, "The balanced accuracy and its posterior
        distribution"; scikit-learn's `balanced_accuracy_score`). Classes without images are left
        out.
        """
        return float(self.recall[self.present].mean())

    @property
    def balanced_accuracy_standard_error(self) -> float:
        """Standard error of `balanced_accuracy` from the limited number of images per class.

        The recalls of C classes are independent shares, so their mean has the standard error
        sqrt(sum of recall (1 - recall) / images) / C. A class with a recall of 0 or 1 adds nothing.
        """
        recall, support = self.recall[self.present], self.support[self.present]
        return float(np.sqrt(np.sum(recall * (1 - recall) / support)) / len(recall))

    @property
    def macro_precision(self) -> float:
        """Mean precision of the classes with images.

        A class that is never predicted counts as 0, as in scikit-learn's `precision_score` with
        `average="macro"` and `labels` of the classes with images. Images put into a class that has
        none lower the other classes' recall, not this mean.
        """
        return float(np.nan_to_num(self.precision[self.present]).mean())

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of the classes with images.

        The mean of the scores per class, as in scikit-learn's `f1_score` with `average="macro"`,
        not the F1 of the mean precision and recall (Opitz and Burst 2019, "Macro F1 and Macro F1").
        """
        return float(self.f1[self.present].mean())

    @property
    def present(self) -> np.ndarray:
        """Numbers of the classes with images: integers, ascending."""
        return np.flatnonzero(self.support)

    @property
    def majority_baseline(self) -> float:
        """Top-1 of a model that always answers the most frequent class of these images."""
        return float(self.support.max() / self.images)


def score_predictions(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Scores predictions.

    Among equally probable classes, the first counts as more probable.

    Args:
        probabilities: float array (images, classes); each row sums to 1.
        labels: integer array (images,), the right classes.

    Returns:
        `Scores`.

    Raises:
        ValueError: a shape, type or value is wrong.
    """
    probabilities, labels = _checked(np.asarray(probabilities), np.asarray(labels))
    images, classes = probabilities.shape
    positions = np.arange(images)
    of_label = probabilities[positions, labels][:, None]
    more_probable = (probabilities > of_label) | (
        (probabilities == of_label) & (np.arange(classes) < labels[:, None])
    )
    rank = more_probable.sum(axis=1)
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(classes * labels + predicted, minlength=classes**2)
    return Scores(
        images=images,
        top1=float(np.mean(rank == 0)),
        top5=float(np.mean(rank < 5)),
        # From zero, so that none is "-0".
        cross_entropy=float(0 - np.log(np.maximum(of_label, _SMALLEST_PROBABILITY)).mean()),
        calibration=_calibration(probabilities[positions, predicted], predicted == labels),
        confusion=confusion.reshape(classes, classes),
    )


def _calibration(confidence: np.ndarray, right: np.ndarray) -> Calibration:
    # Bins are closed on the right, as in the paper, so that a probability of 1 is in the last one.
    bins = np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1
    bins = np.clip(bins, 0, CALIBRATION_BINS - 1)
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    return Calibration(
        images,
        _share(np.bincount(bins, confidence, CALIBRATION_BINS), images),
        _share(np.bincount(bins, right, CALIBRATION_BINS), images),
    )


def _mean_deviation(trials: int, share: float) -> float:
    """Returns the mean of |successes - their mean| of a binomial distribution (de Moivre, 1730)."""
    trials, share = int(trials), float(share)
    if not 0 < share < 1:
        return 0.0
    above = min(math.floor(trials * share) + 1, trials)  # the first number above the mean
    logarithm = (
        math.lgamma(trials + 1)
        - math.lgamma(above + 1)
        - math.lgamma(trials - above + 1)
        + above * math.log(share)
        + (trials - above + 1) * math.log1p(-share)
    )
    return 2 * above * math.exp(logarithm)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or len(probabilities) == 0:
        raise ValueError(
            "`probabilities` must be of shape (images, classes), with at least one image and two "
            f"classes. Received: shape {probabilities.shape}"
        )
    probabilities = probabilities.astype("float64")
    images, classes = probabilities.shape
    if labels.shape != (images,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"`labels` must be integers of shape ({images},), one for each row of "
            f"`probabilities`. Received: {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"`labels` must be in 0..{classes - 1}, the classes of `probabilities`. Received: "
            f"{labels.min()}..{labels.max()}"
        )
    # These comparisons are false for NaN too.
    fits = (probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) < 1e-3)
    if not fits.all():
        row = int(np.argmin(fits))
        raise ValueError(
            "`probabilities` must be at least 0 and sum to 1 in every row. "
            f"Received: row {row} with smallest value {probabilities[row].min():.4g} and sum "
            f"{probabilities[row].sum():.4g}"
        )
    return probabilities, labels.astype("int64")
