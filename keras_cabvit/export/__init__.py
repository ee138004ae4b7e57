"""Exports: SavedModel for TF Serving, TFLite for Android, ONNX for onnxruntime and OpenVINO."""

from keras_cabvit.export.metadata import Metadata
from keras_cabvit.export.onnx import to_onnx
from keras_cabvit.export.saved_model import to_saved_model
from keras_cabvit.export.tflite import to_tflite

__all__ = ["Metadata", "to_onnx", "to_saved_model", "to_tflite"]
