"""Data sets: their images and labels by split, read in batches for training and evaluation."""
