"""Augmentation of training images, in the graph of a `tf.data.Dataset`."""

from training.augmentation.augment import augment_image
from training.augmentation.mixing import mix_batch
from training.augmentation.random_resized_crop import random_resized_crop

__all__ = ["augment_image", "mix_batch", "random_resized_crop"]
