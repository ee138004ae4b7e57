"""Conversion of a classifier's scores to probabilities."""

from pathlib import Path

import numpy as np

from keras_cabvit.runtimes.classifier import (
    Classifier,
    check_finite_scores,
    look_like_probabilities,
)
from keras_cabvit.runtimes.classifier_activation import NotAClassifier


class Probabilities:
    """Converts a classifier's scores to probabilities: applies a softmax to logits.

    If the file does not say which of the two it returns, scores that are not negative and sum to
    about 1 in every row of the first batch count as probabilities.

    Args:
        path: path of the model, for messages.
        classifier: `Classifier`.
    """

    def __init__(self, path: Path, classifier: Classifier):
        self._path = path
        self._scores = classifier
        self._are_probabilities = classifier.gives_probabilities

    @property
    def are_probabilities(self) -> bool | None:
        """Whether the classifier's own scores are; None until the first batch, if it decides."""
        return self._are_probabilities

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 probabilities (count, classes) for images (count, height, width, 3)."""
        scores = np.asarray(self._scores(images)).astype("float32")
        if scores.ndim != 2 or len(scores) != len(images):
            raise NotAClassifier(
                f"{self._path} must return one row of scores per image. For {len(images)} "
                f"images it returned shape {scores.shape}."
            )
        check_finite_scores(scores, self._path)
        if self._are_probabilities is None:
            self._are_probabilities = look_like_probabilities(scores)
        if not self._are_probabilities:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        # In steps of 1/256, equal scores of more than 512 classes are all 0.
        scores = np.where(scores.any(axis=1, keepdims=True), scores, np.float32(1))
        # Rows in half precision or 8 bits sum to 1 only approximately.
        return scores / scores.sum(axis=1, keepdims=True)
