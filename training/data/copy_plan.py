"""The plan of reduced copies: the photographs that have one, and its size."""

from collections import Counter
from dataclasses import dataclass

import tensorflow as tf

from keras_cabvit.data.decoding.reduced_copy import sizes_of_copy
from training.augmentation.random_resized_crop import fewest_pixels, smallest_part
from training.data.data_set import DataSet
from training.data.folder_split import FolderSplit
from training.data.image_sizes import ImageSizes
from training.recipes.recipe import Augmentation, Recipe


@dataclass(frozen=True)
class CopyPlan:
    """The copies from which the crops of a recipe are taken.

    Attributes:
        augmentation: `Augmentation`, of which the fields that begin with crop_ are used.
        size: (height, width) of the model in pixels.
    """

    augmentation: Augmentation
    size: tuple[int, int]

    @classmethod
    def of(cls, recipe: Recipe) -> "CopyPlan":
        """Returns the plan of a recipe."""
        return cls(recipe.augmentation, recipe.model.image_size)

    @classmethod
    def if_it_pays(cls, recipe: Recipe, data_set: DataSet) -> "CopyPlan | None":
        """Returns the plan of a recipe; None if no copy is made for a sample of the images."""
        plan = cls.of(recipe)
        files = isinstance(data_set.training, FolderSplit)
        return plan if files and plan.mean_bytes(data_set.image_sizes) else None

    @property
    def least(self) -> tuple[int, int]:
        """Fewest pixels (height, width) that a part of an image keeps when it is reduced."""
        return fewest_pixels(self.size)

    def smallest_part(self, shape: tf.Tensor) -> tf.Tensor:
        """Returns the smallest height and width of a part of an image of a shape, int32 (2,)."""
        return smallest_part(shape, self.augmentation)

    def mean_bytes(self, sizes: ImageSizes) -> float:
        """Returns the bytes of a copy, on the average of sampled images; 0 if none gets a copy."""
        if not sizes.sizes or not self.augmentation.crop_antialias:
            return 0.0
        total = 0
        with tf.device("CPU"):
            for (width, height), count in Counter(sizes.of_jpeg_files).items():
                shape = tf.constant([height, width])
                kept = sizes_of_copy(shape, self.smallest_part, self.least)
                for reduction, is_kept in zip((8, 4), kept, strict=True):
                    if is_kept:
                        total += count * 3 * -(-height // reduction) * -(-width // reduction)
        return total / len(sizes.sizes)

    def key(self) -> bytes:
        """Returns bytes that differ if other sizes would be kept."""
        augmentation = self.augmentation
        return repr((self.least, augmentation.crop_scale[0], augmentation.crop_ratio)).encode()
