"""Export to a .tflite file for LiteRT and MediaPipe on Android."""

from keras_cabvit.export.tflite.file import ATTENTION_BIASES, QUANTIZATIONS, to_tflite

__all__ = ["ATTENTION_BIASES", "QUANTIZATIONS", "to_tflite"]
