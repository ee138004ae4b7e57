"""Exports: SavedModel for TF Serving, TFLite for Android."""

from keras_cabvit.export.saved_model import to_saved_model
from keras_cabvit.export.tflite.file import to_tflite
from keras_cabvit.export.tflite.metadata import Metadata
from keras_cabvit.inference.fusing import fuse

__all__ = ["Metadata", "fuse", "to_saved_model", "to_tflite"]
