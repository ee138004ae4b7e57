"""Files that one backend saves load on the others, with equal configurations and logits."""

import os
import zipfile
from pathlib import Path

import exchanged_files
import h5py
import numpy as np
import pytest
import tiny_models

FAMILIES = [pytest.param("hybrid", marks=pytest.mark.slow), "plain"]


@pytest.fixture
def files(request):
    """The folder that another backend wrote, in a process of `test_every_backend`; else our own."""
    if exchanged_files.FOLDER in os.environ:
        return Path(os.environ[exchanged_files.FOLDER])
    return request.getfixturevalue("exchanged")


def arrays_in(file):
    """Returns every array of an HDF5 file by its name."""
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(file) as content:
        content.visititems(add)
    return found


def contents(path):
    """Returns the arrays in both kinds of file."""
    with zipfile.ZipFile(f"{path}.keras") as archive:
        inside = arrays_in(archive.open("model.weights.h5"))
    return inside, arrays_in(f"{path}.weights.h5")


@pytest.mark.every_backend
@pytest.mark.parametrize("family", FAMILIES)
def test_files_of_another_backend_load_and_are_saved_again_alike(files, tmp_path, family):
    """So that each backend reads the files of all others."""
    built, whole = exchanged_files.load(family, files / family)
    for weight, expected in zip(built.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    found = tiny_models.outputs(whole, tiny_models.images(whole))
    np.testing.assert_allclose(found, np.load(files / f"{family}.npy"), atol=1e-4)

    assert whole.to_json() == (files / f"{family}.json").read_text()
    exchanged_files.save(whole, tmp_path / family)
    saved_again, expected = contents(tmp_path / family), contents(files / family)
    for arrays, others in zip(saved_again, expected, strict=True):
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, others[name], err_msg=name)
