"""Finding or downloading trained weights, and loading them into a model."""

from keras_cabvit.weights.cache import WeightsDownloadError
from keras_cabvit.weights.files import describe_hdf5, load_weights, save_weights
from keras_cabvit.weights.imagenet import imagenet_weights_path
from keras_cabvit.weights.transfer import transfer_weights

__all__ = [
    "WeightsDownloadError",
    "describe_hdf5",
    "imagenet_weights_path",
    "load_weights",
    "save_weights",
    "transfer_weights",
]
