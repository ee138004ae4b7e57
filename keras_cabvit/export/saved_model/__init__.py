"""Export to a SavedModel directory, as TF Serving loads it."""

from keras_cabvit.export.saved_model.servable import saved_model

__all__ = ["saved_model"]
