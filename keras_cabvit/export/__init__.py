"""Exports: SavedModel for TF Serving, TFLite for Android, and the runtimes that run them."""

from keras_cabvit.export.fuse import fuse
from keras_cabvit.export.saved_model import saved_model
from keras_cabvit.export.tflite import tflite
from keras_cabvit.export.tflite_metadata import Metadata
from keras_cabvit.runtimes.comparison import Verification, verify
from keras_cabvit.runtimes.reading import load_saved_model, load_tflite

__all__ = [
    "Metadata",
    "Verification",
    "fuse",
    "load_saved_model",
    "load_tflite",
    "saved_model",
    "tflite",
    "verify",
]
