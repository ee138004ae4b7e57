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


@pytest.fixture(
    scope="session",
    params=["array", *(pytest.param(name, marks=pytest.mark.slow) for name in ("folder", "tfds"))],
)
def split(request, open_split):
    """Splits of `COUNT` pictures, one from each kind of source; files are decoded simply."""
    if request.param == "array":
        labels = np.arange(COUNT) % len(CLASSES)
        return ArraySplit(np.stack([picture(i) for i in range(COUNT)]), labels, CLASSES)
    return decoded(open_split(request.param))
