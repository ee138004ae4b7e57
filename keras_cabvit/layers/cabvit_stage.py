"""A CabViT stage: the blocks, and the memory of digest tokens that runs through them."""

import keras
from keras import ops

from keras_cabvit.layers.cabvit_block import CabViTBlock


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTStage(keras.layers.Layer):
    """Blocks of one resolution, each of which attends to the digest tokens of those before it.

    The memory of digest tokens begins empty at every call and goes through the call with its
    tensors: nothing passes from one batch, or from one image of a batch, to another.

    Args:
        depth: integer, how many blocks.
        num_heads: integer, must divide the channels.
        max_digests: integer, how many earlier blocks' digest tokens a block attends to: the latest
            ones. 0 switches digest tokens off. Defaults to 12, which no published model exceeds.
        drop_path_rate: float for all blocks alike, or one float a block. Defaults to 0.
        mlp_ratio, mlp_norm_count, position_bias, enhance, scale_digests, epsilon,
            layer_scale_init, drop_rate, attention_drop_rate, grid, kernel_initializer,
            depthwise_initializer, fused, store_bias, kernel_rows: of the blocks, see `CabViTBlock`.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Call arguments:
        inputs: a feature map (batch, height, width, channels), or tokens if `grid` is given.
        return_memory: whether to return the digest tokens that the last block attended to,
            (batch, digest tokens, channels), None where there are none.
        return_attention_maps: whether to return the attention maps, a list with one tensor
            (batch, num_heads, tokens, tokens + digest tokens) a block.

    Output: a tensor of the input's shape, alone or as the first of a tuple, followed by the memory
        and the attention maps where they are asked for.

    Raises:
        ValueError: `depth` is below 1, `max_digests` below 0, or `drop_path_rate` has another
            length than `depth`.

    Example:
        >>> stage = keras_cabvit.layers.CabViTStage(depth=3, num_heads=2)
        >>> images = np.ones((1, 8, 8, 32), "float32")
        >>> output, memory, maps = stage(images, return_memory=True, return_attention_maps=True)
        >>> tuple(memory.shape), [attention.shape[-1] for attention in maps]
        ((1, 8, 32), [64, 68, 72])
    """

    def __init__(
        self,
        depth,
        num_heads,
        max_digests=12,
        mlp_ratio=4.0,
        mlp_norm_count=2,
        position_bias=True,
        enhance=True,
        scale_digests=True,
        epsilon=1e-5,
        layer_scale_init=1e-6,
        drop_rate=0.0,
        attention_drop_rate=0.0,
        drop_path_rate=0.0,
        grid=None,
        kernel_initializer=None,
        depthwise_initializer=None,
        fused=False,
        store_bias=True,
        kernel_rows=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if depth < 1:
            raise ValueError(f"`depth` must be at least 1. Received: depth={depth}")
        if max_digests < 0:
            raise ValueError(
                "`max_digests` must be 0 (no digest tokens) or more. "
                f"Received: max_digests={max_digests}"
            )
        if isinstance(drop_path_rate, (int, float)):
            drop_path_rate = [drop_path_rate] * depth
        if len(drop_path_rate) != depth:
            raise ValueError(
                "`drop_path_rate` must be one float, or one a block. "
                f"Received: {len(drop_path_rate)} values for depth={depth}"
            )
        self.depth = depth
        self.fused = fused
        self.max_digests = max_digests
        self.drop_path_rate = [float(rate) for rate in drop_path_rate]
        self.blocks = [
            CabViTBlock(
                num_heads,
                merge=max_digests > 0 and index < depth - 1,
                mlp_ratio=mlp_ratio,
                mlp_norm_count=mlp_norm_count,
                position_bias=position_bias,
                enhance=enhance,
                scale_digests=scale_digests,
                epsilon=epsilon,
                layer_scale_init=layer_scale_init,
                drop_rate=drop_rate,
                attention_drop_rate=attention_drop_rate,
                drop_path_rate=rate,
                grid=grid,
                kernel_initializer=kernel_initializer,
                depthwise_initializer=depthwise_initializer,
                fused=fused,
                store_bias=store_bias,
                kernel_rows=kernel_rows,
                dtype=self.dtype_policy,
            )
            for index, rate in enumerate(self.drop_path_rate)
        ]

    def build(self, inputs_shape):
        """Creates the weights of the blocks; each knows how many blocks' digests it will see."""
        digests_shape = None
        for index, block in enumerate(self.blocks):
            block.build(inputs_shape, digests_shape)
            if block.merge_enhancement.merge:
                _, own_shape = block.merge_enhancement.compute_output_shape(inputs_shape)
                blocks = min(index + 1, self.max_digests)
                digests_shape = (own_shape[0], blocks * own_shape[1], own_shape[2])

    def call(self, inputs, return_memory=False, return_attention_maps=False, training=None):
        """Returns the last block's tokens, and the memory and attention maps if asked for."""
        x, memory, maps = inputs, None, []
        for block in self.blocks:
            outputs = block(
                x, memory, return_attention_maps=return_attention_maps, training=training
            )
            x, *others = outputs if isinstance(outputs, tuple) else (outputs,)
            if return_attention_maps:
                maps.append(others.pop())
            if others:
                memory = self._remember(memory, *others)
        outputs = [x]
        if return_memory:
            outputs.append(memory)
        if return_attention_maps:
            outputs.append(maps)
        return tuple(outputs) if len(outputs) > 1 else x

    def _remember(self, memory, digests):
        """Returns the memory with a block's digest tokens at its end, without what is too old.

        Joined two by two: LiteRT's fast kernels take five parts at most.
        """
        if memory is None:
            return digests
        count = digests.shape[1]
        too_old = memory.shape[1] + count - self.max_digests * count
        if too_old == memory.shape[1]:
            return digests
        if too_old > 0:
            memory = memory[:, too_old:]
        return ops.concatenate([memory, digests], axis=1)

    def fuse_from(self, layer):
        """Takes over the weights of a stage that is not fused."""
        for block, other in zip(self.blocks, layer.blocks, strict=True):
            block.fuse_from(other)

    def compute_output_spec(
        self, inputs, return_memory=False, return_attention_maps=False, training=None
    ):
        """Returns the input's shape; what is asked for besides is found by tracing."""
        if return_memory or return_attention_maps:
            return super().compute_output_spec(
                inputs,
                return_memory=return_memory,
                return_attention_maps=return_attention_maps,
                training=training,
            )
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the constructor's arguments."""
        config = self.blocks[0].get_config()
        for name in ("merge", *super().get_config()):
            config.pop(name, None)
        return {
            **super().get_config(),
            **config,
            "depth": self.depth,
            "max_digests": self.max_digests,
            "drop_path_rate": self.drop_path_rate,
        }
