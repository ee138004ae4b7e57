"""Opening a trained model, predicting with it and scoring the predictions."""
