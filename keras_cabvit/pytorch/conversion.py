"""Conversion of the authors' checkpoint file to this library's weights file, in one call."""

import os
from collections.abc import Callable
from pathlib import Path

from keras_cabvit.models import build_variant
from keras_cabvit.paths import local_path
from keras_cabvit.pytorch.checkpoint import read_torch_checkpoint
from keras_cabvit.pytorch.state_dict import load_torch_state_dict
from keras_cabvit.weights.cache import weights_path
from keras_cabvit.weights.checksums import write_checksum
from keras_cabvit.weights.files import save_weights


def convert_torch_checkpoint(
    checkpoint: str | os.PathLike[str],
    variant: str,
    output: str | os.PathLike[str] | None = None,
    key: str | None = None,
    input_shape: tuple[int, int, int] | None = None,
    tell: Callable[[str], object] | None = None,
) -> Path:
    """Converts a checkpoint of the published PyTorch model to a `.weights.h5` file.

    Args:
        checkpoint: path of the checkpoint, as in `read_torch_checkpoint`.
        variant: name from `keras_cabvit.list_models()`.
        output: path to write, ending in `.weights.h5`. None writes where `weights="imagenet"` looks
            for the variant. The file's checksum is written beside it, with `.sha256` added to its
            name.
        key: key under which the parameters are nested in the file; None finds it automatically, and
            prefers averaged parameters, see `read_torch_checkpoint`.
        input_shape: (height, width, 3) that the checkpoint was trained for. Defaults to
            (224, 224, 3).
        tell: function that is called with a sentence on which parameters were taken, such as
            `print`; None, the default, calls none.

    Returns:
        The path of the weights file.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the variant is unknown, the checkpoint does not fit it, or no `output` is given
            for a checkpoint that is not for ImageNet's 1,000 classes at 224x224.
    """
    output = None if output is None else local_path(output, "output")
    state_dict = read_torch_checkpoint(checkpoint, key, tell)
    # load_torch_state_dict reports a bias of another rank.
    bias_shape = tuple(state_dict["head.bias"].shape) if "head.bias" in state_dict else ()
    classes = bias_shape[0] if len(bias_shape) == 1 else 1000
    model = build_variant(variant, classes=classes, input_shape=input_shape)
    if output is None:
        if classes != 1000 or model.input_shape[1:] != (224, 224, 3):
            raise ValueError(
                f"`output` must be given for a checkpoint of {classes} classes at "
                f"{model.input_shape[1:3]}: only one of ImageNet's 1,000 classes at (224, 224) "
                'belongs where weights="imagenet" looks.'
            )
        output = weights_path(variant)
    load_torch_state_dict(model, state_dict)
    path = save_weights(model, output)
    write_checksum(path)
    return path
