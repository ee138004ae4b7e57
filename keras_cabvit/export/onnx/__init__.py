"""Export to an .onnx file for onnxruntime and OpenVINO."""

from keras_cabvit.export.onnx.file import INPUT_TYPES, to_onnx

__all__ = ["INPUT_TYPES", "to_onnx"]
