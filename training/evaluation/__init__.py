"""Predicting with a trained model, and scoring the predictions."""
