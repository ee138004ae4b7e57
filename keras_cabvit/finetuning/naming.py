"""Names of a model's parts, and patterns of whole names."""

import fnmatch
from collections.abc import Iterator, Sequence

import keras

from keras_cabvit.layers import CabViTStage
from keras_cabvit.layers.leaf import inner_layers


def top_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a model, and those of the models in it instead of these models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from top_layers(layer)
        else:
            yield layer


def parts(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Returns the layers of every stage, block and other layer of a model that has weights.

    A block of an attention stage has the name of the stage before its own, "stage_2_block_0", as
    the blocks of the other stages are called.
    """
    found: dict[str, list[keras.layers.Layer]] = {}
    for layer in top_layers(model):
        if not layer.weights:
            continue
        stage, block, _ = layer.name.partition("_block_")
        if block:
            found.setdefault(stage, []).append(layer)
        found[layer.name] = [layer]
        if isinstance(layer, CabViTStage):
            found |= {f"{layer.name}_{each.name}": [each] for each in layer.blocks}
    return found


def matching_layers(model: keras.Model, pattern: str) -> list[keras.layers.Layer]:
    """Returns the layers, at any depth, whose path a pattern matches.

    A path is the names of a layer and of those around it: "stage_2/block_0/attention/query". A
    pattern is one or more whole names, joined by slashes, that the path ends in; in each of them
    `*`, `?` and `[...]` match within the name, as in a shell.

    Args:
        model: any model.
        pattern: such as "query", "attention/query" or "stage_3/block_*/attention".
    """
    wanted = pattern.split("/")
    return [
        layer
        for path, layer in inner_layers(model)
        if len(names := path.split("/")[-len(wanted) :]) == len(wanted)
        and all(map(fnmatch.fnmatchcase, names, wanted))
    ]


def as_names(argument: str, names: Sequence[str]) -> list[str]:
    """Returns names as a list without repetitions.

    Raises:
        ValueError: they are no list of strings.
    """
    listed = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    if not listed:
        raise ValueError(
            f'`{argument}` must be a list of names, such as ["stem"]. Received: {names!r}'
        )
    return list(dict.fromkeys(names))
