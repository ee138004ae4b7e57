"""Sizes of a model, read from the shapes in its weights file without building it."""

import io
import os
import re
import zipfile
from dataclasses import dataclass

import h5py

from keras_cabvit.paths import local_path

Shapes = dict[str, tuple[int, ...]]
# Distance of tokens in the first attention stage of a hybrid model.
TOKEN_PIXELS = 16
Sizes = dict[str, int | tuple[int, ...]]


@dataclass(frozen=True)
class StoredSizes:
    """Sizes of the model that a file's weights belong to.

    Attributes:
        family: "hybrid" or "plain".
        arguments: dict of the sizes by which variants differ: `embed_dims`, `depths` and
            `num_heads` of a hybrid model; `embed_dim` and `depth` of a plain one.
        image_size: (height, width) of its images in pixels.
        classes: integer; None without the classifier.
        channels: integer, channels of its images. Defaults to 3.
    """

    family: str
    arguments: Sizes
    image_size: tuple[int, int]
    classes: int | None
    channels: int = 3


def read_stored_sizes(path: str | os.PathLike[str]) -> StoredSizes:
    """Reads the sizes of the model that a file was saved by.

    Args:
        path: path of a `.weights.h5` or `.keras` file.

    Raises:
        ValueError: the file is damaged, or holds no model of this library.
    """
    path = local_path(path)
    try:
        return sizes_of(stored_shapes(path))
    except (OSError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must be a .weights.h5 or .keras file of a CabViT model. It is damaged, or "
            f"belongs to another model: {error}"
        ) from error


def sizes_of(shapes: Shapes) -> StoredSizes:
    """Returns the sizes of the model that shapes from `stored_shapes` belong to.

    Raises:
        KeyError, IndexError: they belong to no model of this library.
    """
    hybrid = any(name.startswith("layers/convolutional_stem/") for name in shapes)
    return _hybrid(shapes) if hybrid else _plain(shapes)


def stored_shapes(path: str | os.PathLike[str]) -> Shapes:
    """Returns the shapes of everything stored in a weights file or `.keras` file, by name.

    Args:
        path: path of the file.

    Raises:
        OSError: it is damaged, or no such file.
    """
    shapes: Shapes = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name] = tuple(item.shape)

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as stored:
            content = io.BytesIO(stored.read())
        with h5py.File(content) as file:
            file.visititems(visit)
    else:
        with h5py.File(path) as file:
            file.visititems(visit)
    return shapes


def _numbered(shapes: Shapes, prefix: str) -> list[str]:
    """Returns the groups "prefix", "prefix_1", "prefix_2" ... in this order."""
    pattern = re.compile(rf"({re.escape(prefix)}(?:_(\d+))?)/")
    found = {match[1]: int(match[2] or 0) for name in shapes if (match := pattern.match(name))}
    return sorted(found, key=found.__getitem__)


def _stage_blocks(shapes: Shapes, stage: str) -> list[str]:
    return _numbered(shapes, f"{stage}/blocks/cab_vi_t_block")


def _hybrid(shapes: Shapes) -> StoredSizes:
    stem = shapes["layers/convolutional_stem/convolution_2/convolution/vars/0"][-1]
    widths = [
        stem,
        *(
            shapes[f"{merging}/project/convolution/vars/0"][-1]
            for merging in _numbered(shapes, "layers/patch_merging")
        ),
    ]
    convolutional = [
        shapes[f"{block}/depthwise/vars/0"][2]
        for block in _numbered(shapes, "layers/conv_ne_xt_block")
    ]
    # Blocks of two stages of equal width cannot be told apart; no variant has them.
    depths = [convolutional.count(width) for width in widths[:2]]
    heads = []
    stages = _numbered(shapes, "layers/cab_vi_t_stage")
    for stage in stages:
        blocks = _stage_blocks(shapes, stage)
        depths.append(len(blocks))
        heads.append(shapes[f"{blocks[0]}/attention/vars/0"][0])
    # The relative position bias of the first attention stage.
    _, rows, columns = shapes[f"{_stage_blocks(shapes, stages[0])[0]}/attention/vars/0"]
    arguments: Sizes = {
        "embed_dims": tuple(widths),
        "depths": tuple(depths),
        "num_heads": tuple(heads),
    }
    channels = shapes["layers/convolutional_stem/convolution_1/convolution/vars/0"][-2]
    image_size = (TOKEN_PIXELS * rows, TOKEN_PIXELS * columns)
    return StoredSizes("hybrid", arguments, image_size, _classes(shapes), channels)


def _plain(shapes: Shapes) -> StoredSizes:
    patch, _, channels, embed_dim = shapes["layers/patch_embedding/projection/vars/0"]
    rows, columns, _ = shapes["layers/patch_embedding/vars/2"]
    arguments: Sizes = {
        "embed_dim": embed_dim,
        "depth": len(_stage_blocks(shapes, "layers/cab_vi_t_stage")),
    }
    image_size = (patch * rows, patch * columns)
    return StoredSizes("plain", arguments, image_size, _classes(shapes), channels)


def _classes(shapes: Shapes) -> int | None:
    bias = shapes.get("layers/dense/vars/1")
    return None if bias is None else bias[0]
