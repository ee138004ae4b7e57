"""Trained models on the Hugging Face Hub: a run as a repository with a model card."""

from keras_cabvit.hugging_face.folder import write_folder
from keras_cabvit.hugging_face.repository import Pushed, push

__all__ = ["Pushed", "push", "write_folder"]
