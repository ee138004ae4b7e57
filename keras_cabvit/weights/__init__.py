"""Finding or downloading trained weights, and loading them into a model."""

from keras_cabvit.weights.cache import WeightsDownloadError
from keras_cabvit.weights.counterpart import resized_model
from keras_cabvit.weights.files import (
    describe_hdf5,
    load_weights,
    save_weights,
)
from keras_cabvit.weights.imagenet import imagenet_weights_path
from keras_cabvit.weights.pretrained import PRETRAINED, Pretrained
from keras_cabvit.weights.stored_sizes import StoredSizes, read_stored_sizes
from keras_cabvit.weights.tiny_imagenet import tiny_imagenet_weights_path, tiny_imagenet_wordnet_ids
from keras_cabvit.weights.transfer import transfer_weights

__all__ = [
    "PRETRAINED",
    "Pretrained",
    "StoredSizes",
    "WeightsDownloadError",
    "describe_hdf5",
    "imagenet_weights_path",
    "load_weights",
    "read_stored_sizes",
    "resized_model",
    "save_weights",
    "tiny_imagenet_weights_path",
    "tiny_imagenet_wordnet_ids",
    "transfer_weights",
]
