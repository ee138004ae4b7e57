"""The idx file format of MNIST and Fashion-MNIST."""

import gzip
import os
import struct

import numpy as np

_UNSIGNED_BYTE = 0x08


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Reads a gzip-compressed idx file of unsigned bytes.

    Args:
        path: the file, `*-ubyte.gz`.

    Returns:
        A uint8 array of the shape that the file states.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a file, or is truncated.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
        zeros, kind, rank = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    except (gzip.BadGzipFile, EOFError, struct.error) as error:
        raise ValueError(
            f"{path} is not a gzip-compressed idx file, or is damaged: {error}"
        ) from error
    if zeros or kind != _UNSIGNED_BYTE or values.size != np.prod(shape, dtype=int):
        raise ValueError(
            f"{path} is not an idx file of unsigned bytes: its header says type {kind:#x} and "
            f"shape {shape}, and {values.size} bytes follow."
        )
    return values.reshape(shape)


def write_idx(path: str | os.PathLike, array: np.ndarray) -> None:
    """Writes a uint8 array as a gzip-compressed idx file, the same bytes for the same array."""
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
        compressed.write(header + np.ascontiguousarray(array, np.uint8).tobytes())
