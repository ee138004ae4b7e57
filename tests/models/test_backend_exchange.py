"""Weights saved on one backend load on the others and give equal logits."""

import zipfile
from pathlib import Path

import exchange_weights
import h5py
import keras
import numpy as np
import pytest
import tiny_models

SCRIPT = Path(__file__).with_name("exchange_weights.py")


def arrays_in(file):
    """Returns every array of an HDF5 file by its name."""
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(file) as content:
        content.visititems(add)
    return found


def contents(folder, family, backend):
    """Returns the arrays in the two files that a backend saved."""
    path = folder / f"{family}-{backend}"
    with zipfile.ZipFile(f"{path}.keras") as archive:
        inside = arrays_in(archive.open("model.weights.h5"))
    return arrays_in(f"{path}.weights.h5"), inside


@pytest.mark.slow
def test_weights_transfer_between_all_backends(run_python, tmp_path):
    own = keras.config.backend()
    others = sorted({"tensorflow", "jax", "torch"} - {own})
    expected = {}
    for family, build in exchange_weights.BUILDERS.items():
        model = tiny_models.filled(build(classifier_activation=None))
        expected[family] = tiny_models.outputs(model, tiny_models.images(model))
        exchange_weights.save(model, tmp_path, family)

    for backend in others:
        found = run_python([SCRIPT, tmp_path, own], backend)
        for family, logits in found.items():
            np.testing.assert_allclose(logits, expected[family], atol=1e-4, err_msg=backend)
    for family in expected:
        # What a backend writes is what it has read, so each of them reads what any of them writes.
        for backend in others:
            files = zip(
                contents(tmp_path, family, backend), contents(tmp_path, family, own), strict=True
            )
            for found, written in files:
                assert found.keys() == written.keys()
                for name in written:
                    np.testing.assert_array_equal(found[name], written[name], err_msg=name)
            model = exchange_weights.the_same(tmp_path, family, backend)
            found = tiny_models.outputs(model, tiny_models.images(model))
            np.testing.assert_allclose(found, expected[family], atol=1e-4, err_msg=backend)
