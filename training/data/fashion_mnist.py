"""Fashion-MNIST: the whole data set, and the subset that the project ships."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from training.data.array_split import ArraySplit
from training.data.data_set import DataSet
from training.data.idx import read_idx
from training.data.stratified import held_out

# The published files in Debian's package dataset-fashion-mnist.
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SUBSET_FOLDER = Path(__file__).parent / "fashion_mnist_subset"

# In the order of the labels, as the data set's own page names them.
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class LabeledImages(NamedTuple):
    """Images and their labels.

    Attributes:
        images: uint8 (count, 28, 28), grey, 0 is the background.
        labels: uint8 (count,), indices into `CLASS_NAMES`.
    """

    images: np.ndarray
    labels: np.ndarray


def fashion_mnist(validation_share: float, seed: int, count: int | None = None) -> DataSet:
    """Opens the 60,000 training and 10,000 test images.

    They come from Debian's package if it is installed, otherwise from Keras' download.

    Args:
        validation_share: share of every class of the training images that is held out.
        seed: integer, the seed of this draw.
        count: integer, the number of other training images to keep, evenly by class: a fixed draw,
            the same in every run. None keeps all.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: there are not `count` images, `validation_share` is not between 0 and 1, or a
            file is damaged.
        FileNotFoundError: the files are missing and cannot be downloaded.
    """
    if DEBIAN_FOLDER.is_dir():
        training, test = _read("train", DEBIAN_FOLDER), _read("t10k", DEBIAN_FOLDER)
    else:
        training, test = _download()
    validation = held_out(training.labels, validation_share, seed)
    kept = ~validation if count is None else _drawn(training.labels, ~validation, count)
    return DataSet(
        "Fashion-MNIST",
        CLASS_NAMES,
        _split(training, kept, "training image"),
        _split(training, validation, "validation image"),
        ArraySplit(test.images, test.labels, CLASS_NAMES, "test image"),
        f"The {validation.sum():,} validation images were drawn from the {len(validation):,} "
        f"training images, evenly by class, with seed {seed}.",
    )


def _drawn(labels: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """Returns a mask of `count` of the images in another mask, evenly by class."""
    places = np.flatnonzero(mask)
    classes = len(CLASS_NAMES)
    if not classes <= count <= len(places) - classes:  # at least one of each class on both sides
        raise ValueError(
            f"fashion_mnist:COUNT must be between {classes} and {len(places) - classes:,}, of the "
            f"{len(places):,} images for training. Received: {count:,}"
        )
    drawn = np.zeros(len(labels), bool)
    drawn[places[held_out(labels[places], count / len(places), seed=0)]] = True
    return drawn


def _split(data: LabeledImages, mask: np.ndarray, name: str) -> ArraySplit:
    return ArraySplit(data.images[mask], data.labels[mask], CLASS_NAMES, name)


def _download() -> tuple[LabeledImages, LabeledImages]:
    try:
        training, test = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras raises no narrower exception.
        raise FileNotFoundError(
            f"Fashion-MNIST is neither in {DEBIAN_FOLDER} (Debian's package dataset-fashion-mnist) "
            f"nor could Keras download it: {error}"
        ) from error
    return LabeledImages(*training), LabeledImages(*test)


def fashion_mnist_subset() -> tuple[LabeledImages, LabeledImages]:
    """Reads the 5,000 training and 1,000 test images, even by class.

    Returns:
        Two `LabeledImages`: training and test.

    Raises:
        FileNotFoundError: the project's files are missing.
        ValueError: a file is damaged.
    """
    return _read("train", SUBSET_FOLDER), _read("t10k", SUBSET_FOLDER)


def _read(part: str, folder: Path) -> LabeledImages:
    return LabeledImages(
        read_idx(folder / f"{part}-images-idx3-ubyte.gz"),
        read_idx(folder / f"{part}-labels-idx1-ubyte.gz"),
    )
