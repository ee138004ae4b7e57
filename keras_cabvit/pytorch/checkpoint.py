"""Reading the state dict in a checkpoint file, without running code from the file."""

import argparse
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.paths import local_path

# Keys under which training programs save parameters; the averaged ones are those evaluated.
_NESTED_KEYS = ("model_ema", "model", "state_dict")
_DISTRIBUTED_PREFIX = "module."
# PyTorch's message about an object that it refuses to create: "... GLOBAL posix.system ...".
_REFUSED_OBJECT = re.compile(r"GLOBAL (\S+)")


def read_torch_checkpoint(path: str | os.PathLike[str], key: str | None = None) -> dict[str, Any]:
    """Reads PyTorch parameters from a `.pth`, `.pt`, `.bin`, `.safetensors` or `.npz` file.

    A pickled checkpoint is read with `weights_only=True`: arrays and plain containers, and the
    `argparse.Namespace` in which training programs keep their arguments. Anything else, such as a
    pickle that would run a command, is refused and not run.

    Args:
        path: path of the file.
        key: key under which the parameters are nested in the file. None tries "model_ema", then
            "model", then "state_dict", and finally the file's top level.

    Returns:
        A dict from names to numpy arrays or torch tensors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or not a checkpoint, holds refused objects, or has no such key.
        ImportError: the package that reads this kind of file is not installed.
    """
    path = local_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint file at {path}.")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    try:
        content = readers.get(path.suffix, _read_torch)(path)
    except (ImportError, PermissionError):
        raise
    except Exception as error:  # the readers' errors on a damaged file have no common class
        raise ValueError(_unreadable(path, error)) from error
    return _state_dict(content, key, path)


def _unreadable(path: Path, error: Exception) -> str:
    if not isinstance(error, pickle.UnpicklingError):
        return f"{path} is damaged, or not the kind of checkpoint that its name says: {error!r}."
    # PyTorch's own message also says how to read the file anyway, which would run its code.
    refused = _REFUSED_OBJECT.search(str(error))
    if refused:
        return (
            f"{path} is refused: it holds {refused[1]}, and objects other than arrays, plain "
            "containers and argparse.Namespace could run code when they are read."
        )
    return (
        f"{path} is refused: it is damaged, or a pickle other than PyTorch's, which could run code "
        "when it is read."
    )


def _state_dict(content: Any, key: str | None, path: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} holds a {type(content).__name__}; a checkpoint is a dict of parameters."
        )
    if key is not None:
        if key not in content:
            raise ValueError(
                f"{path} has nothing under the key {key!r}. It has: {', '.join(map(str, content))}."
            )
        content = content[key]
    else:
        nested = [name for name in _NESTED_KEYS if isinstance(content.get(name), dict)]
        if nested:
            content = content[nested[0]]
    if not _holds_parameters(content):
        raise ValueError(
            f"{path} has no parameters under {key or ' or '.join(_NESTED_KEYS)}, nor at its top "
            "level. Pass their key."
        )
    if all(name.startswith(_DISTRIBUTED_PREFIX) for name in content):
        content = {name.removeprefix(_DISTRIBUTED_PREFIX): v for name, v in content.items()}
    return content


def _holds_parameters(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(name, str) and hasattr(v, "shape") for name, v in content.items())
    )


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError(
            "Reading a .safetensors file needs the package safetensors: pip install safetensors"
        ) from error
    with safe_open(path, framework="np") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def _read_torch(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"Reading {path.name} needs PyTorch: pip install torch. "
            "(.safetensors and .npz files are read without it.)"
        ) from error
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)
