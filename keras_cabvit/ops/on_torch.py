"""PyTorch's fused attention, which holds no attention maps in memory."""

import torch
from keras import ops
from torch.nn.functional import pad, scaled_dot_product_attention


def attend(query, key, value, bias=None):
    """Softmax attention that stores no attention maps (`scaled_dot_product_attention`).

    The bias becomes one more channel of the keys, which every query multiplies by one: the fused
    kernels compute no gradient of a bias that is given as such.

    Args:
        query: tensor (batch, heads, tokens, head_dim), already scaled.
        key: tensor (batch, heads, sources, head_dim).
        value: tensor of the same shape.
        bias: tensor (heads, 1, sources), added to the logits; or None.

    Returns:
        A tensor (batch, heads, tokens, head_dim) of the queries' dtype. The softmax is computed in
        float32.
    """
    channels = query.shape[-1]
    if bias is not None:
        over_sources = ops.cast(bias, key.dtype).transpose(1, 2).expand(key.shape[0], -1, -1, -1)
        # Values need as many channels as keys, and the kernels of GPUs a multiple of eight.
        added = 8 - channels % 8
        query = pad(pad(query, (0, 1), value=1.0), (0, added - 1))
        key = pad(torch.cat([key, over_sources], dim=-1), (0, added - 1))
        value = pad(value, (0, added))
    output = scaled_dot_product_attention(query, key, value, scale=1.0)
    return output[..., :channels]
