"""From image files and arrays to the pixels that a model takes."""

from keras_cabvit.data.evaluation_transform import evaluation_pixels

__all__ = ["evaluation_pixels"]
