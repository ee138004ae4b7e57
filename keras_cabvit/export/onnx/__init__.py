"""Export to an .onnx file for onnxruntime and OpenVINO."""

from keras_cabvit.export.onnx.file import to_onnx

__all__ = ["to_onnx"]
