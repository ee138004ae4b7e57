import numpy as np
import pytest
from image_files import CLASSES, picture, write_folder

from training.data.array_split import ArraySplit
from training.data.folder import FolderSplit
from training.data.opening import open_data_set

COUNT = 23


@pytest.fixture(scope="session")
def tfds_folder(tmp_path_factory):
    """A folder in which TensorFlow Datasets finds `tiny_pictures` and its like."""
    pytest.importorskip("tensorflow_datasets")
    import tiny_tfds

    return tiny_tfds.prepared(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(
    scope="session",
    params=["array", *(pytest.param(name, marks=pytest.mark.slow) for name in ("folder", "tfds"))],
)
def split(request, tmp_path_factory):
    """Splits of `COUNT` pictures, one from each kind of source."""
    labels = np.arange(COUNT) % len(CLASSES)
    if request.param == "array":
        return ArraySplit(np.stack([picture(i) for i in range(COUNT)]), labels, CLASSES)
    if request.param == "folder":
        root = write_folder(tmp_path_factory.mktemp("pictures"), COUNT)
        files = [f"{CLASSES[label]}/{i:04}.png" for i, label in enumerate(labels)]
        return FolderSplit(root, files, labels, CLASSES)
    folder = request.getfixturevalue("tfds_folder")
    return open_data_set("tfds:tiny_pictures_validated", data_folder=folder).training
