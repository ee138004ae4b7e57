"""Mapping from the parameters of the published PyTorch model to Keras weights.

A name of the PyTorch state dict may fill more than one Keras weight (the joint query, key and value
matrix, for example), so names map to lists of assignments.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_cabvit.layers import ConvNeXtBlock, ConvolutionNorm, LayerScale, PatchEmbedding

# A model's layers by their names. Keras ships no types, so their attributes are unknown to mypy.
_Layers = dict[str, Any]


@dataclass(frozen=True)
class TorchParameter:
    """An entry of the PyTorch state dict and the Keras weights made from its array.

    Attributes:
        name: name of the array in the state dict.
        shape: required shape of the array.
        assignments: Keras variables, each with the function from the array to its value.
    """

    name: str
    shape: tuple[int, ...]
    assignments: tuple[tuple[keras.Variable, Callable[[np.ndarray], np.ndarray]], ...]


def torch_parameters(model: keras.Model) -> Iterator[TorchParameter]:
    """Yields a `TorchParameter` per parameter that fills a weight of the model.

    Args:
        model: any variant of this library's models, with or without the classifier.

    Raises:
        ValueError: the model is not one of this library's.
    """
    layers = {layer.name: layer for layer in model.layers}
    if "stem" in layers and "stage_2" in layers:
        yield from _hybrid(layers)
    elif "patch_embedding" in layers and "stage" in layers:
        yield from _plain(layers)
    else:
        raise ValueError(
            "`model` must be one that keras_cabvit built, such as keras_cabvit.CabViTH_S(). "
            f"Received: model '{model.name}' with layers {', '.join(list(layers)[:5])}, ..."
        )


def _hybrid(layers: _Layers) -> Iterator[TorchParameter]:
    stem = layers["stem"]
    yield from _convolution_norm("patch_embed.seq.0", stem.convolution_1)
    yield from _convolution_norm("patch_embed.seq.2", stem.convolution_2)
    for stage in range(4):
        if stage > 0:
            merging = layers[f"merging_{stage}"]
            prefix = f"layer_{stage - 1}.downsample"
            yield from _convolution_norm(f"{prefix}.conv1", merging.expand)
            yield from _convolution_norm(f"{prefix}.conv2", merging.depthwise)
            yield from _convolution_norm(f"{prefix}.conv3", merging.project)
        for index, block in enumerate(_blocks(layers, stage)):
            prefix = f"layer_{stage}.blocks.{index}"
            if isinstance(block, ConvNeXtBlock):
                yield from _convnext_block(prefix, block)
            else:
                yield from _hybrid_block(prefix, block)
    yield from _head(layers, norm_name="norm_head")


def _blocks(layers: _Layers, stage: int) -> list[Any]:
    if stage >= 2:
        return layers[f"stage_{stage}"].blocks
    # Keras lists layers in graph order, which is the order of the blocks.
    prefix = f"stage_{stage}_block_"
    return [layer for name, layer in layers.items() if name.startswith(prefix)]


def _plain(layers: _Layers) -> Iterator[TorchParameter]:
    yield from _patch_embedding(layers["patch_embedding"])
    for index, block in enumerate(layers["stage"].blocks):
        prefix = f"blocks.{index}"
        attention, mixing = block.attention, block.channel_mixing
        yield from _attention(prefix, attention, dense_prefix=f"{prefix}.attn")
        yield from _merge_enhancement(prefix, block.merge_enhancement)
        yield from _affine(f"{prefix}.norm2", mixing.norms[0])
        yield from _dense(f"{prefix}.mlp.fc1", mixing.expand)
        yield from _dense(f"{prefix}.mlp.fc2", mixing.project)
        yield from _layer_scale(f"{prefix}.gamma_1", attention.layer_scale)
        yield from _layer_scale(f"{prefix}.gamma_2", mixing.layer_scale)
    yield from _head(layers, norm_name="norm")


def _convnext_block(prefix: str, block: Any) -> Iterator[TorchParameter]:
    mixing = block.channel_mixing
    yield from _depthwise(f"{prefix}.dwconv", block.depthwise)
    yield from _affine(f"{prefix}.norm", mixing.norms[0])
    yield from _dense(f"{prefix}.pwconv1", mixing.expand)
    yield from _dense(f"{prefix}.pwconv2", mixing.project)
    yield from _layer_scale(f"{prefix}.gamma", mixing.layer_scale)


def _hybrid_block(prefix: str, block: Any) -> Iterator[TorchParameter]:
    attention, mixing = block.attention, block.channel_mixing
    yield from _attention(prefix, attention, dense_prefix=prefix)
    yield from _merge_enhancement(prefix, block.merge_enhancement)
    yield from _affine(f"{prefix}.norm2", mixing.norms[0])
    yield from _affine(f"{prefix}.mlp.norm", mixing.norms[1])
    yield from _dense(f"{prefix}.mlp.fc1", mixing.expand)
    yield from _dense(f"{prefix}.mlp.fc2", mixing.project)
    yield from _layer_scale(f"{prefix}.gamma_1", attention.layer_scale)
    yield from _layer_scale(f"{prefix}.gamma_2", mixing.layer_scale)


def _attention(prefix: str, attention: Any, dense_prefix: str) -> Iterator[TorchParameter]:
    yield from _affine(f"{prefix}.norm1", attention.norm)
    channels = attention.projection.units
    query, key_value = attention.query, attention.key_value
    # Rows of the joint matrix: the queries of all heads, then the keys, then the values.
    yield TorchParameter(
        f"{dense_prefix}.qkv.weight",
        (3 * channels, channels),
        (
            (query.kernel, lambda array: array[:channels].T),
            (key_value.kernel, lambda array: array[channels:].T),
        ),
    )
    yield TorchParameter(
        f"{dense_prefix}.qkv.bias",
        (3 * channels,),
        (
            (query.bias, lambda array: array[:channels]),
            (key_value.bias, lambda array: array[channels:]),
        ),
    )
    yield from _dense(f"{dense_prefix}.proj", attention.projection)
    if attention.use_position_bias:
        # The published table lists the offsets (|dy|, |dx|) in row order.
        heads, height, width = attention.position_bias.shape
        yield _reshaped(
            f"{prefix}.attention_biases", (heads, height * width), attention.position_bias
        )
    if attention.digest_blocks:
        yield from _affine(f"{prefix}.s_norm", attention.digest_norm)
        heads, *positions = attention.digest_bias.shape
        count = int(np.prod(positions))
        yield _reshaped(f"{prefix}.s_token_bias", (1, heads, 1, count), attention.digest_bias)
        yield _reshaped(f"{prefix}.s_scale_factors", (1, count, 1), attention.digest_scale)


def _merge_enhancement(prefix: str, layer: Any) -> Iterator[TorchParameter]:
    yield from _convolution_norm(f"{prefix}.local_conv", layer.enhancement)
    if layer.merge:
        yield from _depthwise(f"{prefix}.dw_conv", layer.merge_convolution)


def _patch_embedding(layer: PatchEmbedding) -> Iterator[TorchParameter]:
    rows, columns, channels = layer.patch_positions.shape
    yield _reshaped("cls_token", (1, 1, channels), layer.class_token)
    yield TorchParameter(
        "pos_embed",
        (1, 1 + rows * columns, channels),
        (
            (layer.class_position, lambda array: array[0, 0]),
            (layer.patch_positions, lambda array: array[0, 1:].reshape(rows, columns, channels)),
        ),
    )
    yield from _convolution("patch_embed.proj", layer.projection)


def _head(layers: _Layers, norm_name: str) -> Iterator[TorchParameter]:
    if "head_norm" in layers:
        yield from _affine(norm_name, layers["head_norm"])
    if "predictions" in layers:
        yield from _dense("head", layers["predictions"])


def _convolution_norm(prefix: str, layer: ConvolutionNorm) -> Iterator[TorchParameter]:
    make = _depthwise if layer.filters is None else _convolution
    yield from make(f"{prefix}.c", layer.convolution)
    norm = layer.norm
    yield from _affine(f"{prefix}.bn", norm)
    yield _same(f"{prefix}.bn.running_mean", norm.moving_mean)
    yield _same(f"{prefix}.bn.running_var", norm.moving_variance)


def _convolution(prefix: str, layer: Any) -> Iterator[TorchParameter]:
    height, width, channels, filters = layer.kernel.shape
    yield TorchParameter(
        f"{prefix}.weight",
        (filters, channels, height, width),
        ((layer.kernel, lambda array: array.transpose(2, 3, 1, 0)),),
    )
    if layer.use_bias:
        yield _same(f"{prefix}.bias", layer.bias)


def _depthwise(prefix: str, layer: Any) -> Iterator[TorchParameter]:
    height, width, channels, _ = layer.kernel.shape
    yield TorchParameter(
        f"{prefix}.weight",
        (channels, 1, height, width),
        ((layer.kernel, lambda array: array.transpose(2, 3, 0, 1)),),
    )
    if layer.use_bias:
        yield _same(f"{prefix}.bias", layer.bias)


def _dense(prefix: str, layer: Any) -> Iterator[TorchParameter]:
    yield TorchParameter(
        f"{prefix}.weight", tuple(reversed(layer.kernel.shape)), ((layer.kernel, np.transpose),)
    )
    yield _same(f"{prefix}.bias", layer.bias)


def _affine(prefix: str, norm: Any) -> Iterator[TorchParameter]:
    yield _same(f"{prefix}.weight", norm.gamma)
    yield _same(f"{prefix}.bias", norm.beta)


def _layer_scale(name: str, layer: LayerScale | None) -> Iterator[TorchParameter]:
    if layer is not None:
        yield _same(name, layer.gamma)


def _same(name: str, variable: Any) -> TorchParameter:
    return TorchParameter(name, tuple(variable.shape), ((variable, lambda array: array),))


def _reshaped(name: str, shape: tuple[int, ...], variable: Any) -> TorchParameter:
    target = tuple(variable.shape)
    return TorchParameter(name, shape, ((variable, lambda array: array.reshape(target)),))
