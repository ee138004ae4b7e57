"""Decoding image files to pixels in a TensorFlow graph, as Pillow does."""
