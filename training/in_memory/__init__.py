"""Training with JAX on one accelerator that holds all images in its memory."""
