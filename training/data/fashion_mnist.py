"""The subset of Fashion-MNIST that comes with the project."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.data.idx import read_idx

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
    """Images and what they show.

    Attributes:
        images: uint8 (count, 28, 28), grey, 0 is the background.
        labels: uint8 (count,), indices into `CLASS_NAMES`.
    """

    images: np.ndarray
    labels: np.ndarray


def fashion_mnist_subset():
    """Reads the 5,000 training and 1,000 test images, even by class.

    Returns:
        Two `LabeledImages`: training and test.

    Raises:
        FileNotFoundError: the files are not where the project has them.
        ValueError: a file is damaged.
    """
    return _read("train"), _read("t10k")


def _read(part):
    return LabeledImages(
        read_idx(SUBSET_FOLDER / f"{part}-images-idx3-ubyte.gz"),
        read_idx(SUBSET_FOLDER / f"{part}-labels-idx1-ubyte.gz"),
    )


def stratified_split(data, held_out, seed):
    """Splits off the same share of every class.

    Args:
        data: `LabeledImages`.
        held_out: integer, how many images to hold out, a multiple of the number of classes.
        seed: integer.

    Returns:
        Two `LabeledImages`: the rest, and those held out.
    """
    generator = np.random.default_rng(seed)
    classes = np.unique(data.labels)
    drawn = [
        generator.choice(np.flatnonzero(data.labels == label), held_out // len(classes), False)
        for label in classes
    ]
    mask = np.zeros(len(data.labels), bool)
    mask[np.concatenate(drawn)] = True
    return (
        LabeledImages(data.images[~mask], data.labels[~mask]),
        LabeledImages(data.images[mask], data.labels[mask]),
    )
