"""From the scores that a file gives to probabilities."""

import numpy as np

from keras_cabvit.export.classifiers import NotAClassifier


class Probabilities:
    """Turns what a classifier gives into probabilities: applies a softmax to logits.

    Where the file does not say which of them it gives, what is not negative and sums to about 1 in
    every row of the first batch counts as probabilities.

    Args:
        path: of the model, for messages.
        classifier: `Classifier`.
    """

    def __init__(self, path, classifier):
        self._path = path
        self._scores = classifier.scores
        self._are_probabilities = classifier.gives_probabilities

    def __call__(self, images):
        """Returns float32 probabilities (count, classes) for images (count, height, width, 3)."""
        scores = np.asarray(self._scores(images)).astype("float32")
        if scores.ndim != 2 or len(scores) != len(images):
            raise NotAClassifier(
                f"{self._path} must give one row of scores for each image. For {len(images)} "
                f"images it gave shape {scores.shape}."
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                f"{self._path} gives scores that are no numbers: it is damaged, or its training "
                "diverged."
            )
        if self._are_probabilities is None:
            self._are_probabilities = _look_like_probabilities(scores)
        if not self._are_probabilities:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        # Rows in half precision or in 8 bits sum to 1 only roughly.
        return scores / scores.sum(axis=1, keepdims=True)


def _look_like_probabilities(scores):
    return bool((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < 0.1).all())
