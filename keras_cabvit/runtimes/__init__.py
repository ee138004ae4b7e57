"""Every exported form, run with the runtime that its user has, and compared."""

from keras_cabvit.runtimes.comparison import Verification, verify
from keras_cabvit.runtimes.reading import load_saved_model, load_tflite

__all__ = ["Verification", "load_saved_model", "load_tflite", "verify"]
