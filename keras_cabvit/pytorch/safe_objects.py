"""Objects that training programs save beside a model's parameters, and that run no code."""

import argparse
import datetime
import pathlib
from typing import Any

import numpy as np


def safe_objects() -> list[Any]:
    """Returns what a pickled checkpoint may hold, as `torch.serialization.safe_globals` takes it.

    Besides what PyTorch allows: numpy's numbers and arrays, in which scores are kept, paths, dates,
    default dicts, and the `argparse.Namespace` of a program's arguments.

    Returns:
        A list of classes and functions, or pairs of one and the name under which it is pickled.
    """
    # Dicts and numbers run no code, whatever they are made from.
    allowed: list[Any] = [argparse.Namespace, list, dict, int, float]
    allowed.append((_plain_dict, "collections.defaultdict"))
    allowed += [datetime.datetime, datetime.date, datetime.time, datetime.timedelta]
    allowed.append(datetime.timezone)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # of numpy 1 and of numpy 2
        allowed += [(_number, f"{module}.scalar"), (_empty_array, f"{module}._reconstruct")]
    allowed += [np.ndarray, np.dtype]
    # The class of a dtype, such as that of float64. Arrays of objects are not allowed.
    allowed += [kind for kind in map(np.dtypes.__dict__.get, np.dtypes.__all__) if _is_plain(kind)]
    for module in ("pathlib", "pathlib._local"):
        allowed += [
            (pathlib.PurePosixPath, f"{module}.PosixPath"),
            (pathlib.PureWindowsPath, f"{module}.WindowsPath"),
        ]
    return allowed


def _is_plain(kind: Any) -> bool:
    return kind not in (np.dtypes.ObjectDType, np.dtypes.VoidDType)


def _plain_dict(*factory: Any) -> dict:
    """Makes a dict without the function that gives it defaults."""
    return {}


def _number(dtype: np.dtype, data: bytes = b"") -> Any:
    """Makes a number of numpy from its bytes."""
    if not _is_plain(type(dtype)):
        raise ValueError(f"a number of the type {dtype}")
    return np.frombuffer(data, dtype)[0]


def _empty_array(kind: Any, shape: Any, typecode: Any) -> np.ndarray:
    """Makes the array that `numpy.ndarray.__setstate__` fills."""
    return np.ndarray((0,), np.uint8)
