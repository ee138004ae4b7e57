"""RandAugment, as timm's "rand-m9-mstd0.5-inc1": its operations and their strengths."""

import functools
from collections.abc import Callable

import tensorflow as tf

from keras_cabvit.models.preprocessing import IMAGENET_MEAN
from training.augmentation import geometric_operations as geometric
from training.augmentation import pixel_operations as pixel
from training.augmentation.noinline import noinline
from training.augmentation.random_numbers import Purpose, normal, uniform
from training.recipes.recipe import Augmentation

# The mean of the ImageNet pixels: the colour of areas that a moved image leaves empty.
FILL = tuple(round(255 * value) for value in IMAGENET_MEAN)


def rand_augment(image: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Draws operations and applies one after the other.

    Args:
        image: uint8 tensor (h, w, 3) of known shape.
        augmentation: `Augmentation`, of which the fields that begin with rand_augment_ are used.
        seed: int32 or int64 tensor (2,).

    Returns:
        A uint8 tensor (h, w, 3).
    """
    if augmentation.rand_augment_operations == 0:
        return image
    operations, magnitudes, signs = draw_operations(augmentation, seed)
    for position in range(augmentation.rand_augment_operations):
        image = _applied(
            image,
            operations[position],
            magnitudes[position] / 10,
            signs[position],
            augmentation.rand_augment_interpolation,
        )
    return image


@noinline
def _applied(
    image: tf.Tensor, number: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor, interpolation: str
) -> tf.Tensor:
    # Only the chosen branch of a switch runs.
    return tf.switch_case(
        number,
        [
            functools.partial(operation, image, strength, sign, interpolation)
            for operation in _CALLED
        ],
        default=functools.partial(tf.identity, image),
    )


def draw_operations(
    augmentation: Augmentation, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draws the operations of `rand_augment`: uniformly and with replacement.

    Args:
        augmentation: `Augmentation`.
        seed: int32 or int64 tensor (2,).

    Returns:
        operations: int32 tensor (operations,), positions in `OPERATIONS`; -1 applies none.
        magnitudes: float64 tensor (operations,) in 0..10.
        signs: float64 tensor (operations,) of -1 and 1: the direction, if an operation has two.
    """
    count = augmentation.rand_augment_operations
    operation, applied, sign = tf.unstack(uniform(Purpose.RAND_AUGMENT_OPERATION, seed, (3, count)))
    operation = tf.cast(operation * len(OPERATIONS), tf.int32)
    deviations = normal(Purpose.RAND_AUGMENT_MAGNITUDE, seed, (count,), tf.float64)
    magnitudes = (
        augmentation.rand_augment_magnitude + deviations * augmentation.rand_augment_magnitude_std
    )
    return (
        tf.where(applied < augmentation.rand_augment_probability, operation, -1),
        tf.clip_by_value(magnitudes, 0.0, 10.0),
        tf.where(sign < 0.5, tf.constant(-1.0, tf.float64), 1.0),
    )


def _plain(operation: Callable) -> Callable:
    """Returns an operation without strength."""
    return lambda image, strength, sign, interpolation: operation(image)


def _bits(image: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor, interpolation: str) -> tf.Tensor:
    return pixel.posterize(image, 4 - tf.cast(strength * 4, tf.int32))


def _threshold(
    image: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor, interpolation: str
) -> tf.Tensor:
    return pixel.solarize(image, 256 - tf.cast(strength * 256, tf.int32))


def _addition(
    image: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor, interpolation: str
) -> tf.Tensor:
    return pixel.solarize_add(image, tf.cast(strength * 110, tf.int32))


def _enhanced(operation: Callable) -> Callable:
    """Returns an operation with a factor, of which 1 changes nothing."""

    def apply(
        image: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor, interpolation: str
    ) -> tf.Tensor:
        return operation(image, tf.cast(tf.maximum(1 + sign * strength * 0.9, 0.1), tf.float32))

    return apply


def _moved(operation: Callable, largest: float, axis: int | None = None) -> Callable:
    """Returns an operation that moves pixels by at most `largest`, times the side of `axis`."""

    def apply(
        image: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor, interpolation: str
    ) -> tf.Tensor:
        side = 1 if axis is None else image.shape[axis]
        return operation(image, sign * strength * largest * side, interpolation, FILL)

    return apply


# By timm's names. Each function takes (image, strength in 0..1, sign, interpolation).
OPERATIONS = {
    "AutoContrast": _plain(pixel.autocontrast),
    "Equalize": _plain(pixel.equalize),
    "Invert": _plain(pixel.invert),
    "Rotate": _moved(geometric.rotate, 30.0),
    "PosterizeIncreasing": _bits,
    "SolarizeIncreasing": _threshold,
    "SolarizeAdd": _addition,
    "ColorIncreasing": _enhanced(pixel.color),
    "ContrastIncreasing": _enhanced(pixel.contrast),
    "BrightnessIncreasing": _enhanced(pixel.brightness),
    "SharpnessIncreasing": _enhanced(pixel.sharpness),
    "ShearX": _moved(geometric.shear_x, 0.3),
    "ShearY": _moved(geometric.shear_y, 0.3),
    "TranslateXRel": _moved(geometric.translate_x, 0.45, axis=1),
    "TranslateYRel": _moved(geometric.translate_y, 0.45, axis=0),
}

# Called, because what a switch contains takes time in all the branches that are not taken.
_CALLED = tuple(map(noinline, OPERATIONS.values()))
