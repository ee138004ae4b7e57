"""A run and its folder: record, checkpoints, metrics and callbacks."""
