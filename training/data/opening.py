"""Data sets by name."""

import os

from keras_cabvit.paths import local_path
from training.data.data_set import DataSet


def open_data_set(
    spec: str,
    validation_share: float = 0.1,
    seed: int = 0,
    data_folder: str | os.PathLike | None = None,
) -> DataSet:
    """Opens a data set.

    Args:
        spec: "fashion_mnist", "fashion_mnist:COUNT" for so many of its training images, "elpv",
            "folder:PATH" or "tfds:NAME", where NAME may continue with "/config" and ":version".
        validation_share: share of the training images that becomes the validation split, evenly by
            class, unless the data set has a validation split of its own.
        seed: integer, the seed of this draw.
        data_folder: the folder in which TensorFlow Datasets keeps its data sets; None is its
            default.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: the spec is none of these, or the data cannot be trained on.
        FileNotFoundError: the data is missing and cannot be downloaded.
        ImportError: a package that the data set needs is not installed.
    """
    kind, colon, rest = spec.partition(":")
    if kind == "fashion_mnist" and (rest.isdigit() or not colon):
        from training.data.fashion_mnist import fashion_mnist

        return fashion_mnist(validation_share, seed, int(rest) if rest else None)
    if spec == "elpv":
        from training.data.elpv import elpv

        return elpv(validation_share, seed)
    if kind == "folder" and rest:
        from training.data.folder import image_folder

        return image_folder(local_path(rest, "data"), validation_share, seed)
    if kind == "tfds" and rest:
        from training.data.tfds import tfds_data_set

        return tfds_data_set(rest, validation_share, seed, data_folder)
    raise ValueError(
        '`data` must be "fashion_mnist", "elpv", "folder:PATH" or "tfds:NAME". Received: '
        f'"{spec}"' + (f'. Did you mean "folder:{spec}"?' if "/" in spec and not colon else "")
    )
