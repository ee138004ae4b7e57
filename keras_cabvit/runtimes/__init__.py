"""Running and comparing exported classifiers, each in the runtime that its users run."""

from keras_cabvit.runtimes.classifier_activation import NotAClassifier
from keras_cabvit.runtimes.classifiers import (
    Classifier,
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
