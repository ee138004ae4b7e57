"""Draws the subset of Fashion-MNIST that the quickstart ships, from the published files.

usage: python -m training.data.make_fashion_mnist_subset FOLDER

FOLDER holds the four files of https://github.com/zalandoresearch/fashion-mnist (Debian's package
dataset-fashion-mnist puts them in /usr/share/datasets/fashion-mnist). The draw is even by class and
has a fixed seed, so that it reproduces the same files.
"""

import sys
from pathlib import Path

import numpy as np

from training.data.fashion_mnist import CLASS_NAMES, SUBSET_FOLDER
from training.data.idx import read_idx, write_idx

SEED = 0
PER_CLASS = {"train": 500, "t10k": 100}


def main(folder: Path) -> None:
    """Writes the subset's four files into the package."""
    generator = np.random.default_rng(SEED)
    for part, count in PER_CLASS.items():
        images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
        drawn = [
            generator.choice(np.flatnonzero(labels == label), count, replace=False)
            for label in range(len(CLASS_NAMES))
        ]
        indices = np.sort(np.concatenate(drawn))
        write_idx(SUBSET_FOLDER / f"{part}-images-idx3-ubyte.gz", images[indices])
        write_idx(SUBSET_FOLDER / f"{part}-labels-idx1-ubyte.gz", labels[indices])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
