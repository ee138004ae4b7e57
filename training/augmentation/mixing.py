"""Mixup and cutmix: each image of a batch is mixed with another one, and so are the labels."""

import tensorflow as tf

from training.augmentation.paste import paste
from training.augmentation.random_numbers import Purpose, seed_for, uniform
from training.augmentation.smooth_labels import smooth_labels
from training.recipes.recipe import Augmentation


def mix_batch(
    images: tf.Tensor, labels: tf.Tensor, classes: int, augmentation: Augmentation, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes a batch with itself in reverse order, and smooths the labels.

    As timm does in its batch mode: one of mixup and cutmix, and one share for the whole batch.

    Mixup weights the pixels. Cutmix replaces a rectangle, whose centre may lie so near the border
    that a part of it falls outside; the labels follow the area that was really replaced.

    With `augmentation.library` "keras_cv" this is `keras_cv_augment_batch`.

    Args:
        images: float32 tensor (b, h, w, 3) of known height and width.
        labels: integer tensor (b,), each in 0..classes-1.
        classes: integer, the number of classes.
        augmentation: `Augmentation`, of which `mixup_alpha`, `cutmix_alpha`, `label_smoothing` and
            `library` are used.
        seed: int32 or int64 tensor (2,).

    Returns:
        images: float32 tensor (b, h, w, 3).
        labels: float32 tensor (b, classes); each row adds up to 1.

    Raises:
        ImportError: `library` is "keras_cv" and keras-cv is not installed.
    """
    if augmentation.library == "keras_cv":
        # Imported here because it is installed with an extra.
        from training.augmentation.keras_cv_backend import keras_cv_augment_batch

        return keras_cv_augment_batch(images, labels, classes, augmentation, seed)

    targets = smooth_labels(labels, classes, augmentation.label_smoothing)
    mixup, cutmix = augmentation.mixup_alpha > 0, augmentation.cutmix_alpha > 0
    if not mixup and not cutmix:
        return images, targets

    y, x, choice, *roots = tf.unstack(uniform(Purpose.MIXING, seed, (5,)))

    def with_mixup() -> tuple[tf.Tensor, tf.Tensor]:
        share = _beta(augmentation.mixup_alpha, roots, seed)
        # One new tensor of the batch's size, which the other operations change in place: the pages
        # of a larger one cost as much as the arithmetic.
        partners = tf.gather(images, tf.range(tf.shape(images)[0] - 1, -1, -1))
        return images + (partners - images) * (1 - share), share

    def with_cutmix() -> tuple[tf.Tensor, tf.Tensor]:
        return _cutmix(images, _beta(augmentation.cutmix_alpha, roots, seed), y, x)

    if mixup and cutmix:
        images, share = tf.cond(choice < 0.5, with_cutmix, with_mixup)
    else:
        images, share = with_mixup() if mixup else with_cutmix()
    return images, targets * share + tf.reverse(targets, [0]) * (1 - share)


def _cutmix(
    images: tf.Tensor, share: tf.Tensor, y: tf.Tensor, x: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns images with a rectangle of their partner, and the share of their own area.

    Args:
        images: float32 tensor (b, h, w, 3).
        share: float32 scalar, of the area outside the rectangle if the border does not cut it.
        y: float32 scalar, the rectangle's centre as a share of the height.
        x: float32 scalar, of the width.
    """
    height, width = images.shape[1:3]
    top, bottom = _side(share, height, y)
    left, right = _side(share, width, x)
    patch = tf.reverse(images[:, top:bottom, left:right], [0])
    replaced = tf.cast((bottom - top) * (right - left), tf.float32) / (height * width)
    return paste(images, patch, top, left), 1 - replaced


def _side(share: tf.Tensor, length: int, centre: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the start and end of a side of the rectangle, as int32 scalars."""
    side = tf.cast(tf.sqrt(1 - share) * length, tf.int32)
    middle = tf.cast(centre * length, tf.int32)
    return tf.maximum(middle - side // 2, 0), tf.minimum(middle + (side + 1) // 2, length)


def _beta(alpha: float, roots: list[tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Draws one number from the beta distribution (alpha, alpha), as a float32 scalar.

    It is x / (x + y) of two numbers from the gamma distribution. With a small alpha these may
    underflow, but their logarithms do not. A gamma number of alpha is one of alpha + 1 times a
    uniform number to the power of 1 / alpha.

    Args:
        alpha: float above 0.
        roots: two float32 scalars, uniform in [0, 1).
        seed: int32 or int64 tensor (2,).
    """
    gamma = tf.random.stateless_gamma((2,), seed_for(Purpose.MIXING_SHARE, seed), alpha=alpha + 1.0)
    logarithms = tf.math.log(gamma) + tf.math.log(1 - tf.stack(roots)) / alpha
    return tf.sigmoid(logarithms[0] - logarithms[1])
