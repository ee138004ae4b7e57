"""Measured comparisons, one command each. Every figure is a ratio inside one run."""
