"""Forms of the trainable layers for inference."""
