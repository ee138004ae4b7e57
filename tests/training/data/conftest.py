import numpy as np
import pytest
from image_files import CLASSES, decoded, picture, write_folder

from training.data.array_split import ArraySplit
from training.data.folder_split import FolderSplit
from training.data.opening import open_data_set

COUNT = 23


@pytest.fixture(scope="session")
def tfds_folder(tmp_path_factory):
    """A folder in which TensorFlow Datasets finds `tiny_pictures` and its like."""
    pytest.importorskip("tensorflow_datasets")
    import tiny_tfds

    return tiny_tfds.prepared(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="session")
def open_split(request, tmp_path_factory):
    """A function that opens a split of `COUNT` pictures in files: "folder" or "tfds"."""

    def open_split(source):
        if source == "tfds":
            folder = request.getfixturevalue("tfds_folder")
            return open_data_set("tfds:tiny_pictures_validated", data_folder=folder).training
        root = write_folder(tmp_path_factory.mktemp("pictures"), COUNT)
        labels = np.arange(COUNT) % len(CLASSES)
        files = [f"{CLASSES[label]}/{i:04}.png" for i, label in enumerate(labels)]
        return FolderSplit(root, files, labels, CLASSES)

    return open_split


@pytest.fixture(scope="session")
def pixel_split():
    """A split of `COUNT` pictures in memory, whose examples can be looked up by number."""
    labels = np.arange(COUNT) % len(CLASSES)
    return ArraySplit(np.stack([picture(i) for i in range(COUNT)]), labels, CLASSES)


@pytest.fixture(scope="session", params=["pixels", pytest.param("tfds", marks=pytest.mark.slow)])
def split(request, pixel_split, open_split):
    """One split for each kind of order: drawn from numbers, and of streams; decoded simply."""
    return pixel_split if request.param == "pixels" else decoded(open_split("tfds"))
