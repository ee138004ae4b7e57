"""Exports: SavedModel for TF Serving, TFLite for Android."""

from keras_cabvit.export.saved_model import to_saved_model
from keras_cabvit.export.tflite import to_tflite
from keras_cabvit.export.tflite.metadata import Metadata

__all__ = ["Metadata", "to_saved_model", "to_tflite"]
