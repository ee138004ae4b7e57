"""The weights trained on Tiny ImageNet, which the package contains, and their classes."""

import json
from importlib import resources
from pathlib import Path

_VARIANT = "CabViTH_T"
# The folder is also a preset of KerasHub, which finds the weights by this name.
_FILE = "model.weights.h5"


def tiny_imagenet_weights_path(variant: str) -> Path:
    """Returns the file of a variant's weights trained on Tiny ImageNet.

    Args:
        variant: name of the model function; `"CabViTH_T"` is the only one that is contained.

    Raises:
        ValueError: there are no such weights of this variant.
    """
    if variant != _VARIANT:
        raise ValueError(
            f'`weights="tiny_imagenet"` is contained only for {_VARIANT}. For {variant} pass '
            f"weights=None or the path of a weights file. Received: {variant}"
        )
    return Path(str(resources.files(__name__).joinpath(_FILE)))


def tiny_imagenet_wordnet_ids() -> list[str]:
    """Returns the WordNet ids of the 200 classes, in the order of the classifier."""
    return json.loads(resources.files(__name__).joinpath("wordnet_ids.json").read_text("utf-8"))
