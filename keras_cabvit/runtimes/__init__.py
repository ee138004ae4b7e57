"""Any exported form of a classifier, run with the runtime that its user has, and compared."""

from keras_cabvit.runtimes.classifiers import (
    Classifier,
    NotAClassifier,
    load_keras,
    load_saved_model,
    load_tflite,
)
from keras_cabvit.runtimes.comparison import Verification, verify

__all__ = [
    "Classifier",
    "NotAClassifier",
    "Verification",
    "load_keras",
    "load_saved_model",
    "load_tflite",
    "verify",
]
