"""State dicts of the published PyTorch models, defined independently of the library."""

import math

import numpy as np

import keras_cabvit

# Grids with different heights and widths, and more blocks than a block attends to.
HYBRID = {
    "embed_dims": (4, 6, 8, 12),
    "depths": (2, 1, 4, 2),
    "num_heads": (2, 3),
    "max_digests": 2,
    "input_shape": (96, 160, 3),
    "classes": 5,
}
PLAIN = {
    "embed_dim": 6,
    "depth": 4,
    "num_heads": 3,
    "max_digests": 2,
    "patch_size": 4,
    "input_shape": (24, 40, 3),
    "classes": 5,
}
BUILDERS = {"hybrid": keras_cabvit.CabViTH, "plain": keras_cabvit.CabViTP}


def tiny(family, **changes):
    """Returns a tiny model and the shapes of its state dict."""
    sizes = {"hybrid": HYBRID, "plain": PLAIN}[family]
    sizes = sizes | {name: changes.pop(name) for name in set(changes) & set(sizes)}
    shapes = {"hybrid": hybrid_shapes, "plain": plain_shapes}[family](**sizes)
    model = BUILDERS[family](**sizes, **changes)
    if not changes.get("include_top", True):
        del shapes["head.weight"], shapes["head.bias"]
        if family == "hybrid" and changes.get("pooling") is None:
            del shapes["norm_head.weight"], shapes["norm_head.bias"]
    return model, shapes


def counted(shapes):
    """Returns a state dict in which no two elements are equal, and the number of elements."""
    state_dict, count = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        state_dict[name] = np.arange(count, count + size, dtype="float32").reshape(shape)
        count += size
    return state_dict, count


def random(shapes, seed=0):
    """Returns a state dict of plausible values, as after training."""
    rng = np.random.default_rng(seed)
    state_dict = {}
    for name, shape in shapes.items():
        noise = rng.standard_normal(shape)
        if name.endswith("running_var"):
            value = np.exp(0.3 * noise)
        elif len(shape) > 1 and name.endswith("weight"):
            value = noise / math.sqrt(math.prod(shape[1:]))
        else:
            value = 0.5 + 0.3 * noise
        state_dict[name] = value.astype("float32")
    return state_dict


def hybrid_shapes(
    embed_dims, depths, num_heads, input_shape=(224, 224, 3), classes=1000, max_digests=12
):
    shapes = {
        **_convolution_norm("patch_embed.seq.0", embed_dims[0] // 2, input_shape[-1], 3),
        **_convolution_norm("patch_embed.seq.2", embed_dims[0], embed_dims[0] // 2, 3),
    }
    for stage, (width, depth) in enumerate(zip(embed_dims, depths, strict=True)):
        for index in range(depth):
            name = f"layer_{stage}.blocks.{index}"
            if stage < 2:
                shapes |= {
                    **_convolution(f"{name}.dwconv", width, 1, 7, bias=True),
                    **_norm(f"{name}.norm", width),
                    **_linear(f"{name}.pwconv1", 4 * width, width),
                    **_linear(f"{name}.pwconv2", width, 4 * width),
                    f"{name}.gamma": (width,),
                }
                continue
            heads = num_heads[stage - 2]
            grid = [side // (4 * 2**stage) for side in input_shape[:2]]
            shapes |= {
                **_block(name, name, width, depth, index, heads, grid, max_digests),
                **_norm(f"{name}.mlp.norm", width),
                f"{name}.attention_biases": (heads, math.prod(grid)),
                f"{name}.gamma_1": (width,),
                f"{name}.gamma_2": (width,),
            }
        if stage < 3:
            name, after = f"layer_{stage}.downsample", embed_dims[stage + 1]
            shapes |= {
                **_convolution_norm(f"{name}.conv1", after, width, 1),
                **_convolution_norm(f"{name}.conv2", after, 1, 3),
                **_convolution_norm(f"{name}.conv3", after, after, 1),
            }
    width = embed_dims[-1]
    return {**shapes, **_norm("norm_head", width), **_linear("head", classes, width)}


def plain_shapes(
    embed_dim,
    depth,
    num_heads,
    patch_size=16,
    input_shape=(224, 224, 3),
    classes=1000,
    max_digests=12,
):
    grid = [side // patch_size for side in input_shape[:2]]
    shapes = {
        "cls_token": (1, 1, embed_dim),
        "pos_embed": (1, 1 + math.prod(grid), embed_dim),
        **_convolution("patch_embed.proj", embed_dim, input_shape[-1], patch_size, bias=True),
    }
    for index in range(depth):
        name = f"blocks.{index}"
        shapes |= _block(
            name, f"{name}.attn", embed_dim, depth, index, num_heads, grid, max_digests
        )
    return {**shapes, **_norm("norm", embed_dim), **_linear("head", classes, embed_dim)}


def _block(name, attention, width, depth, index, heads, grid, max_digests):
    shapes = {
        **_norm(f"{name}.norm1", width),
        **_linear(f"{attention}.qkv", 3 * width, width),
        **_linear(f"{attention}.proj", width, width),
        **_convolution_norm(f"{name}.local_conv", width, 1, 3),
        **_norm(f"{name}.norm2", width),
        **_linear(f"{name}.mlp.fc1", 4 * width, width),
        **_linear(f"{name}.mlp.fc2", width, 4 * width),
    }
    if max_digests and index < depth - 1:
        shapes |= _convolution(f"{name}.dw_conv", width, 1, 7)
    digests = min(index, max_digests) * math.prod(math.ceil(side / 4) for side in grid)
    if digests:
        shapes |= {
            **_norm(f"{name}.s_norm", width),
            f"{name}.s_token_bias": (1, heads, 1, digests),
            f"{name}.s_scale_factors": (1, digests, 1),
        }
    return shapes


def _convolution(name, filters, channels, side, bias=False):
    shapes = {f"{name}.weight": (filters, channels, side, side)}
    return shapes | {f"{name}.bias": (filters,)} if bias else shapes


def _convolution_norm(name, filters, channels, side):
    return {
        **_convolution(f"{name}.c", filters, channels, side),
        **_norm(f"{name}.bn", filters),
        f"{name}.bn.running_mean": (filters,),
        f"{name}.bn.running_var": (filters,),
    }


def _norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
