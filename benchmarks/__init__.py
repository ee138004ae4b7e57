"""Measured comparisons, one command each. Every figure is a ratio within one run."""
