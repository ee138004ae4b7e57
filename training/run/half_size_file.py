"""A `.keras` or `.weights.h5` file of half the size: its large weights in half precision."""

import io
import os
import tempfile
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_cabvit.atomic_files import atomic_path
from keras_cabvit.paths import local_path
from keras_cabvit.weights import save_weights

_WEIGHTS = "model.weights.h5"


def save_half_size(model: keras.Model, path: str | os.PathLike) -> None:
    """Saves a model with its kernels and tables in float16; Keras loads it as a float32 model.

    Vectors stay in float32: biases, scales and BatchNorm's statistics are few, and a rounding error
    in one of them would change a whole channel.

    Args:
        model: a Keras model.
        path: path of the file, ending in `.keras`, or in `.weights.h5` for only the weights. It
            appears complete or not at all.

    Raises:
        ValueError: a weight is too large for float16.
    """
    path = local_path(path)
    with tempfile.TemporaryDirectory() as folder, atomic_path(path) as partial:
        if path.name.endswith(".weights.h5"):
            whole = Path(folder) / "whole.weights.h5"
            save_weights(model, whole)
            partial.write_bytes(_halved(whole.read_bytes()))
            return
        whole = Path(folder) / "whole.keras"
        model.save(whole)
        with (
            zipfile.ZipFile(whole) as source,
            # Compression barely shrinks half-precision weights, and slows down loading.
            zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as target,
        ):
            for name in source.namelist():
                content = source.read(name)
                target.writestr(name, _halved(content) if name == _WEIGHTS else content)


def _halved(content: bytes) -> bytes:
    """Returns an HDF5 file with its float32 matrices converted to float16, as bytes."""
    result = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as source, h5py.File(result, "w") as target:
        target.attrs.update(source.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                target.require_group(name).attrs.update(item.attrs)
                return
            values = item[()]
            if values.dtype == np.float32 and values.ndim > 1:
                largest = np.abs(values).max(initial=0)
                if largest > np.finfo(np.float16).max:
                    raise ValueError(
                        f"The weights in {name} must be at most 65,504 to be stored in float16. "
                        f"The largest is {largest:g}."
                    )
                values = values.astype(np.float16)
            target.create_dataset(name, data=values).attrs.update(item.attrs)

        source.visititems(copy)
    return result.getvalue()
