"""The layers' definitions in plain numpy, float64, one output at a time."""

import math

import keras
import numpy as np


def layer_norm(x, gamma, beta, epsilon):
    """Normalises the last axis."""
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def gelu(x):
    """x * Phi(x), with the exact distribution function."""
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def softmax(x):
    """Softmax over the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def batch_norm(x, norm, epsilon=1e-5):
    """BatchNorm with the moving statistics."""
    gamma, beta = weight(norm.gamma), weight(norm.beta)
    scale = gamma / np.sqrt(weight(norm.moving_variance) + epsilon)
    return (x - weight(norm.moving_mean)) * scale + beta


def convolution(x, kernel, stride, padding, depthwise=False):
    """A convolution with equal padding on all four sides, as in PyTorch.

    Args:
        x: (batch, height, width, channels).
        kernel: (side, side, channels, filters), or (side, side, channels, 1) if `depthwise`.
    """
    side = kernel.shape[0]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows = (padded.shape[1] - side) // stride + 1
    columns = (padded.shape[2] - side) // stride + 1
    filters = kernel.shape[2] if depthwise else kernel.shape[3]
    out = np.zeros((len(x), rows, columns, filters))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            window = padded[:, top : top + side, left : left + side]
            if depthwise:
                out[:, row, column] = (window * kernel[..., 0]).sum(axis=(1, 2))
            else:
                out[:, row, column] = np.tensordot(window, kernel, axes=3)
    return out


def dense(x, layer):
    """A dense layer with the weights of a Keras layer."""
    return x @ weight(layer.kernel) + weight(layer.bias)


def weight(variable):
    """A Keras variable's value in float64."""
    return keras.ops.convert_to_numpy(variable).astype("float64")


def cross_block_attention(layer, tokens, digests, grid, epsilon):
    """The output of a `CrossBlockAttention`, and its attention maps.

    Args:
        layer: layer that holds the weights.
        tokens: (batch, tokens, channels).
        digests: (batch, digest tokens, channels), or None.
        grid: (height, width) of the tokens, or None if there is no position bias.
    """
    batch, count, channels = tokens.shape
    size = channels // layer.num_heads
    x = layer_norm(tokens, weight(layer.norm.gamma), weight(layer.norm.beta), epsilon)
    sources = x
    if digests is not None:
        scaled = digests * weight(layer.digest_scale).reshape(1, -1, 1)
        norm = layer.digest_norm
        normed = layer_norm(scaled, weight(norm.gamma), weight(norm.beta), epsilon)
        sources = np.concatenate([x, normed], axis=1)
        digest_bias = weight(layer.digest_bias).reshape(layer.num_heads, -1)
    position_bias = None if grid is None else weight(layer.position_bias)
    query, key_value = dense(x, layer.query), dense(sources, layer.key_value)
    key, value = key_value[..., :channels], key_value[..., channels:]

    maps = np.zeros((batch, layer.num_heads, count, sources.shape[1]))
    mixed = np.zeros_like(tokens)
    for head in range(layer.num_heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(count):
            logits = (key[..., part] * query[:, i : i + 1, part]).sum(axis=-1) / math.sqrt(size)
            for j in range(sources.shape[1]):
                if j >= count:
                    logits[:, j] += digest_bias[head, j - count]
                elif grid is not None:
                    (y, x_), (y_j, x_j) = divmod(i, grid[1]), divmod(j, grid[1])
                    logits[:, j] += position_bias[head, abs(y - y_j), abs(x_ - x_j)]
            maps[:, head, i] = softmax(logits)
        mixed[..., part] = maps[:, head] @ value[..., part]
    out = dense(mixed, layer.projection)
    if layer.layer_scale is not None:
        out = out * weight(layer.layer_scale.gamma)
    return tokens + out, maps


def channel_mixing(layer, x, epsilon):
    """The output of a `ChannelMixing`: the branch without the residual."""
    for norm in layer.norms:
        x = layer_norm(x, weight(norm.gamma), weight(norm.beta), epsilon)
    x = dense(gelu(dense(x, layer.expand)), layer.project)
    if layer.layer_scale is not None:
        x = x * weight(layer.layer_scale.gamma)
    return x


def enhance(layer, x):
    """The feature map as enhanced by a `TokenMergeEnhancement`."""
    kernel = weight(layer.enhancement.convolution.kernel)
    return batch_norm(convolution(x, kernel, 1, 1, depthwise=True), layer.enhancement.norm)


def merge(layer, x):
    """The digest tokens that a `TokenMergeEnhancement` outputs."""
    merged = convolution(x, weight(layer.merge_convolution.kernel), 4, 3, depthwise=True)
    return merged.reshape(len(x), -1, x.shape[-1])
