"""Decoding and resizing images to the pixels that a model takes."""

from keras_cabvit.data.crops import evaluation_crop
from keras_cabvit.data.decoding.decode import decode_rgb
from keras_cabvit.data.evaluation_transform import evaluation_image, evaluation_pixels

__all__ = ["decode_rgb", "evaluation_crop", "evaluation_image", "evaluation_pixels"]
