"""Running and comparing exported classifiers, each in the runtime that its users run."""

from keras_cabvit.runtimes.classifier import Classifier
from keras_cabvit.runtimes.classifier_activation import NotAClassifier
from keras_cabvit.runtimes.comparison import Verification, verify
from keras_cabvit.runtimes.file_predictions import FilePrediction, predict_files
from keras_cabvit.runtimes.keras_classifier import load_keras
from keras_cabvit.runtimes.onnx_classifier import load_onnx
from keras_cabvit.runtimes.opened_model import OpenedModel, open_model
from keras_cabvit.runtimes.pretrained_model import open_pretrained
from keras_cabvit.runtimes.saved_model_classifier import load_saved_model
from keras_cabvit.runtimes.tflite_classifier import load_tflite

__all__ = [
    "Classifier",
    "FilePrediction",
    "NotAClassifier",
    "OpenedModel",
    "Verification",
    "load_keras",
    "load_onnx",
    "load_saved_model",
    "load_tflite",
    "open_model",
    "open_pretrained",
    "predict_files",
    "verify",
]
