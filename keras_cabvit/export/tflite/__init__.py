"""Export to a .tflite file, as LiteRT and MediaPipe run it on Android."""

from keras_cabvit.export.tflite.file import ATTENTION_BIASES, INPUT_TYPES, QUANTIZATIONS, to_tflite

__all__ = ["ATTENTION_BIASES", "INPUT_TYPES", "QUANTIZATIONS", "to_tflite"]
