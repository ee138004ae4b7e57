"""Export to a .tflite file."""
