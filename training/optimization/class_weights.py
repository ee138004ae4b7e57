"""A loss in which rare classes count as much as common ones."""

from collections.abc import Sequence

import keras
import numpy as np


def balanced_class_weights(counts: Sequence[int]) -> np.ndarray:
    """Returns weights of classes that are inverse to their frequency.

    A class with n of N images in C classes has the weight N / (C n), as with scikit-learn's
    `class_weight="balanced"` (King and Zeng 2001, "Logistic Regression in Rare Events Data"). So
    all classes have the same sum of weights over their images, and the mean over all images is 1.
    A class without images has the weight 0 and is not counted in C.

    Args:
        counts: integers, the training images of each class.

    Returns:
        A float32 array (classes,).

    Raises:
        ValueError: there are no images.
    """
    images = np.asarray(counts, "float64")
    if not images.sum() > 0:
        raise ValueError("Class weights need at least one training image. There are none.")
    present = images > 0
    weights = np.zeros(len(images))
    weights[present] = images.sum() / (present.sum() * images[present])
    return weights.astype("float32")


class ClassWeightedCrossentropy(keras.losses.Loss):
    """Cross-entropy of each image times the weight of its class.

    The weight of a mixed target is the mean of the classes' weights by the target's shares. It
    scales the whole cross-entropy of the image, so the probabilities that minimise it for this
    image are still the target.

    Args:
        class_weights: float array (classes,).
        label_smoothing: float, the share of the targets that is spread over all classes. It does
            not count for the weight: images of common classes would have a part of the weight of
            rare ones. Targets of one class that are not smoothed, those of validation images, have
            the weight of the class too.
    """

    def __init__(self, class_weights: np.ndarray, label_smoothing: float = 0.0):
        super().__init__(name="class_weighted_crossentropy")
        self.class_weights = np.asarray(class_weights, "float32")
        self.spread = label_smoothing / len(self.class_weights)

    def call(self, y_true, y_pred):  # type: ignore[no-untyped-def]
        """Returns the losses (batch,) of targets and probabilities (batch, classes)."""
        shares = keras.ops.maximum(y_true - self.spread, 0)
        # The target of an image that pads a batch is 0 everywhere.
        sums = keras.ops.maximum(keras.ops.sum(shares, axis=-1), 1e-6)
        weights = keras.ops.sum(shares * self.class_weights, axis=-1) / sums
        return weights * keras.losses.categorical_crossentropy(y_true, y_pred)


def training_loss(
    balance: str, counts: Sequence[int] | None, label_smoothing: float = 0.0
) -> keras.losses.Loss:
    """Returns the loss of a recipe.

    Args:
        balance: `class_balance` of the recipe.
        counts: integers, the training images of each class; None if they are unknown.
        label_smoothing: float, that of the training targets.

    Raises:
        ValueError: the loss needs the counts, and they are unknown.
    """
    if balance == "none":
        return keras.losses.CategoricalCrossentropy()
    if counts is None:
        raise ValueError(
            '`class_balance="weights"` needs the training images of each class, which are unknown '
            'for this data without reading it. Choose "none".'
        )
    return ClassWeightedCrossentropy(balanced_class_weights(counts), label_smoothing)
