"""Reading the state dict in a checkpoint file, without running code from the file."""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.data.listed import listed
from keras_cabvit.paths import local_path
from keras_cabvit.pytorch.nesting import KEYS, Found, find_parameters
from keras_cabvit.pytorch.safe_objects import safe_objects

# PyTorch's message about an object that it refuses to create: "... GLOBAL posix.system ...".
_REFUSED_OBJECT = re.compile(r"(?:GLOBAL|Class) ([\w.]+\.\w+)")
# As Hugging Face names the parts of a large checkpoint.
_PART = re.compile(r"-\d+-of-(\d+)\.")
_LISTED = 12
_SAVE_WHOLE = (
    "Save only the parameters, in the program that wrote them: "
    "torch.save(model.state_dict(), FILE)."
)


def read_torch_checkpoint(
    path: str | os.PathLike[str],
    key: str | None = None,
    tell: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Reads PyTorch parameters from a `.pth`, `.ckpt`, `.bin`, `.safetensors` or `.npz` file.

    A pickled checkpoint is read with `weights_only=True`: arrays, numbers, plain containers, paths,
    dates, and the `argparse.Namespace` in which training programs keep their arguments. Anything
    else, such as a pickle that would run a command, is refused and not run.

    Prefixes that training programs add to all names are dropped: `module.` of
    DistributedDataParallel, `_orig_mod.` of `torch.compile`, `_fsdp_wrapped_module.` of FSDP,
    `model.` of Lightning, and that of any other object that holds the whole model.

    Args:
        path: path of the file.
        key: key under which the parameters are nested in the file; with a dot for a key or a prefix
            of names inside another, such as "state_dict.model". None takes averaged parameters if
            there are any ("model_ema", "state_dict_ema", "swa_model", ...), otherwise "model",
            "state_dict" and the like, the file's top level, and finally the only ones in the file.
        tell: function that is called with a sentence on which parameters were taken, such as
            `print`; None, the default, calls none.

    Returns:
        A dict from names to numpy arrays or torch tensors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or not a checkpoint, holds refused objects, is a part of one, or
            has no such key, or names that are the same without prefixes.
        ImportError: the package that reads this kind of file is not installed.
    """
    path = local_path(path)
    if path.is_dir():
        raise FileNotFoundError(
            f"There is no checkpoint file at {path}, which is a folder: give the file in it. One "
            f"that was saved in parts must be joined first. {_SAVE_WHOLE}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint file at {path}.")
    _check_whole(path)
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    try:
        content = readers.get(path.suffix.lower(), _read_torch)(path)
    except (ImportError, PermissionError):
        raise
    except Exception as error:  # the readers' errors on a damaged file have no common class
        raise ValueError(_unreadable(path, error)) from error
    found = _found(content, key, path)
    if tell is not None:
        tell(str(found))
    return found.parameters


def _check_whole(path: Path) -> None:
    part = _PART.search(path.name)
    if path.name.endswith(".json") or (part and int(part[1]) > 1):
        what = "the index of a checkpoint in parts" if not part else f"one of {int(part[1])} parts"
        raise ValueError(f"{path} is {what}, which must be joined first. {_SAVE_WHOLE}")


def _unreadable(path: Path, error: Exception) -> str:
    if "TorchScript" in str(error):
        return f"{path} holds a TorchScript program, which is not run. {_SAVE_WHOLE}"
    if not isinstance(error, pickle.UnpicklingError):
        return (
            f"{path} is damaged, or not the kind of checkpoint that its name suggests: {error!r}."
        )
    # PyTorch's own message also says how to read the file anyway, which would run its code.
    refused = _REFUSED_OBJECT.search(str(error))
    if refused:
        return (
            f"{path} is refused: it holds {refused[1]}, which could run code when it is read. "
            "Arrays, numbers, plain containers, paths, dates and argparse.Namespace are read. "
            f"{_SAVE_WHOLE}"
        )
    return (
        f"{path} is refused: it is damaged, or a pickle other than PyTorch's, which could run code "
        "when it is read."
    )


def _found(content: Any, key: str | None, path: Path) -> Found:
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} holds a {type(content).__name__}; a checkpoint is a dict of parameters."
        )
    try:
        found = find_parameters(content, key)
    except KeyError as error:
        raise ValueError(
            f"{path} has nothing under the key {key!r}. It has: {_keys(content)}."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} holds two models, or one twice: {error}.") from error
    if found is None:
        raise ValueError(
            f"{path} has no parameters under {key or ' or '.join(KEYS)}, nor at its top level. "
            f"Pass their key. It has: {_keys(content)}."
        )
    return found


def _keys(content: dict) -> str:
    return listed(map(str, content), _LISTED) or "nothing"


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
    with torch.serialization.safe_globals(safe_objects()):
        return torch.load(path, map_location="cpu", weights_only=True)
