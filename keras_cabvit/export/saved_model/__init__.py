"""Export to a SavedModel directory for TF Serving."""

from keras_cabvit.export.saved_model.servable import PRECISIONS, to_saved_model

__all__ = ["PRECISIONS", "to_saved_model"]
