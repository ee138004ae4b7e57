"""Export to a .tflite file for LiteRT and MediaPipe on Android."""

from keras_cabvit.export.tflite.file import ATTENTION_BIASES, INPUT_TYPES, QUANTIZATIONS, to_tflite

__all__ = ["ATTENTION_BIASES", "INPUT_TYPES", "QUANTIZATIONS", "to_tflite"]
