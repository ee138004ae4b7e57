"""Trained weights: finding or downloading them, and loading them into a model."""

from keras_cabvit.weights.cache import WeightsDownloadError
from keras_cabvit.weights.conversion import convert_torch_checkpoint
from keras_cabvit.weights.files import load_weights, save_weights
from keras_cabvit.weights.imagenet import imagenet_weights_path
from keras_cabvit.weights.torch_checkpoint import read_torch_checkpoint
from keras_cabvit.weights.torch_state_dict import load_torch_state_dict
from keras_cabvit.weights.transfer import transfer_weights

__all__ = [
    "WeightsDownloadError",
    "convert_torch_checkpoint",
    "imagenet_weights_path",
    "load_torch_state_dict",
    "load_weights",
    "read_torch_checkpoint",
    "save_weights",
    "transfer_weights",
]
