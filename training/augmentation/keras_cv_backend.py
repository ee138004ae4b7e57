"""RandAugment, MixUp and CutMix of KerasCV, on whole batches.

They are not the published recipe. KerasCV's RandAugment has ten operations and other strengths;
MixUp and CutMix draw a share and a partner for every image; labels of CutMix count a rectangle as
whole even when the border cuts it. They work in a `tf.data.Dataset` on every Keras backend.

KerasCV draws from TensorFlow generators whose state continues from batch to batch. So here a batch
is not a function of its seed: a resumed run draws other numbers.
"""

from typing import Any

import keras
import tensorflow as tf

from training.augmentation.random_erasing import random_erasing
from training.augmentation.random_numbers import Purpose, seed_for, uniform
from training.augmentation.smooth_labels import smooth_labels
from training.recipes.recipe import Augmentation

try:
    import keras_cv
except ImportError as error:
    raise ImportError(
        'The augmentation library "keras_cv" needs keras-cv: pip install "keras-cabvit[keras-cv]"'
    ) from error


def keras_cv_augment_batch(
    images: tf.Tensor, labels: tf.Tensor, classes: int, augmentation: Augmentation, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Applies RandAugment, random erasing, and MixUp or CutMix to a batch.

    Random erasing is this project's own, because KerasCV has none. It comes after RandAugment,
    which would cut the noise at 0 and 255.

    Args:
        images: uint8 or float32 tensor (b, h, w, 3) in 0..255 of known shape.
        labels: integer tensor (b,), each in 0..classes-1.
        classes: integer, the number of classes.
        augmentation: `Augmentation`; crops, flips and interpolation are not used.
        seed: int32 or int64 tensor (2,), of the erased rectangles and of the choice between MixUp
            and CutMix.

    Returns:
        images: float32 tensor (b, h, w, 3).
        labels: float32 tensor (b, classes); each row adds up to 1.
    """
    images = _rand_augment(tf.cast(images, tf.float32), augmentation)
    if augmentation.erasing_probability:
        seeds = tf.random.experimental.stateless_split(
            seed_for(Purpose.ERASED_RECTANGLE, seed), images.shape[0]
        )
        images = tf.map_fn(
            lambda each: random_erasing(each[0], augmentation.erasing_probability, each[1]),
            (images, seeds),
            fn_output_signature=tf.TensorSpec(images.shape[1:], tf.float32),
        )
    return _mix(
        images, smooth_labels(labels, classes, augmentation.label_smoothing), augmentation, seed
    )


def _rand_augment(images: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    if augmentation.rand_augment_operations == 0:
        return images
    layer = _layer(
        keras_cv.layers.RandAugment,
        value_range=(0, 255),
        augmentations_per_image=augmentation.rand_augment_operations,
        magnitude=augmentation.rand_augment_magnitude / 10,
        magnitude_stddev=augmentation.rand_augment_magnitude_std / 10,
        rate=augmentation.rand_augment_probability,
    )
    # KerasCV's operations branch in Python, and so need AutoGraph, which data sets leave out.
    return tf.ensure_shape(tf.function(layer)(images), images.shape)


def _mix(
    images: tf.Tensor, labels: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    layers = [
        _layer(kind, alpha=alpha)
        for kind, alpha in (
            (keras_cv.layers.MixUp, augmentation.mixup_alpha),
            (keras_cv.layers.CutMix, augmentation.cutmix_alpha),
        )
        if alpha > 0
    ]

    def mixed_by(layer: Any) -> tuple[tf.Tensor, tf.Tensor]:
        mixed = layer({"images": images, "labels": labels})
        return (
            tf.ensure_shape(mixed["images"], images.shape),
            tf.ensure_shape(mixed["labels"], labels.shape),
        )

    if not layers:
        return images, labels
    return tf.cond(
        uniform(Purpose.MIXING, seed, ()) < 0.5,
        lambda: mixed_by(layers[0]),
        lambda: mixed_by(layers[-1]),
    )


def _layer(kind: Any, **arguments: Any) -> Any:
    """Returns a layer of KerasCV that computes in float32, whatever the model's precision."""
    policy = keras.config.dtype_policy()
    # RandAugment's inner layers take the global policy instead of its own.
    keras.config.set_dtype_policy("float32")
    try:
        # A layer's generator is a variable, which cannot be created in the graph of a data set.
        with tf.init_scope():
            return kind(**arguments)
    finally:
        keras.config.set_dtype_policy(policy)
