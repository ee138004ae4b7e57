"""A CabViT stage: its blocks, and the memory of digest tokens that they share."""

import keras
from keras import ops

from keras_cabvit.layers.cabvit_block import check_blocks
from keras_cabvit.layers.composite import Composite
from keras_cabvit.layers.numpy_arguments import accepts_numpy, is_positive_integer
from keras_cabvit.layers.windows import Windows


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTStage(Composite):
    """Blocks of one resolution, each attending to the digest tokens of the blocks before it.

    The memory of digest tokens starts empty in every call: nothing passes from one batch to
    another, or from one image of a batch to another.

    Args:
        blocks: list of `CabViTBlock`, at least one. The last one must not merge, because its
            digest tokens would never be used.
        max_digests: integer, the number of blocks, counted back from the current one, whose digest
            tokens a block attends to. With 0 there are no digest tokens and no block may merge.
            Defaults to 12, which no published model exceeds.
        window: integer, the side in tokens of the windows that attention, digest tokens and
            convolutions stay inside; None, the default, is one window of the map's size. A map
            whose sides it does not divide is padded; the padding is not masked.
        **kwargs: `name` and the like, for `keras.layers.Layer`. The dtype is the blocks'.

    Call arguments:
        inputs: a feature map (batch, height, width, channels), or tokens if the blocks have a grid.
        return_intermediates: whether to return a dict, for inspection, instead of the last block's
            tokens. "tokens" returns the dict with the tokens alone, at no cost: nothing else has to
            be kept.

    Output: a tensor of the input's shape. With `return_intermediates`, a dict: `tokens`, a list of
        each block's tokens in the input's shape; `digests`, the digest tokens that the last block
        attended to, (batch, digest tokens, channels), absent if there were none; and `maps`, a list
        of each block's attention maps (batch, num_heads, tokens, tokens + digest tokens). With
        `window`, digests and maps are those of windows, (batch * windows, ...), row by row; height
        and width may then be unknown until the call, and differ from call to call.

    Raises:
        ValueError: `blocks` is not a list of at least one `CabViTBlock`, one is given twice, the
            last one merges, one merges although `max_digests` is 0, `max_digests` is negative,
            `window` is not a positive integer, or the blocks have a grid, which cannot be cut into
            windows.

    Example:
        >>> layers = keras_cabvit.layers
        >>> def block(index):
        ...     return layers.CabViTBlock(
        ...         layers.CrossBlockAttention(num_heads=2, name="attention"),
        ...         layers.TokenMergeEnhancement(merge=index < 2, name="merge_enhancement"),
        ...         layers.ChannelMixing(norm_count=2, name="channel_mixing"),
        ...         name=f"block_{index}",
        ...     )
        >>> stage = layers.CabViTStage([block(index) for index in range(3)])
        >>> found = stage(np.ones((1, 8, 8, 32), "float32"), return_intermediates=True)
        >>> tuple(found["digests"].shape), [maps.shape[-1] for maps in found["maps"]]
        ((1, 8, 32), [64, 68, 72])
    """

    part_names = list_parts = ("blocks",)

    @accepts_numpy
    def __init__(self, blocks, max_digests=12, window=None, **kwargs):
        check_blocks(blocks)
        if max_digests < 0:
            raise ValueError(
                "`max_digests` must be 0 (no digest tokens) or more. "
                f"Received: max_digests={max_digests}"
            )
        merging = [block.name for block in blocks if block.merges]
        if blocks[-1].merges or (merging and not max_digests):
            raise ValueError(
                "The last block of a stage must not merge, nor may any block if max_digests=0: its "
                "digest tokens would never be used. Received: merging blocks "
                f"{', '.join(merging)} of {len(blocks)}, max_digests={max_digests}"
            )
        is_side = window is None or is_positive_integer(window)
        if not is_side or (window and any(block.attention.grid for block in blocks)):
            raise ValueError(
                "`window` must be a positive number of tokens, and the blocks must have no grid. "
                f"Received: window={window}, grid={blocks[0].attention.grid}"
            )
        super().__init__({"blocks": blocks}, **kwargs)
        self.max_digests = max_digests
        self.window = window

    def build(self, inputs_shape):
        """Creates the weights of the blocks, each for the digest tokens that it will receive."""
        self.check_parts_are_new()
        digests_shape, merged = None, 0
        if self.window is not None:
            inputs_shape = (None, self.window, self.window, inputs_shape[-1])
        for block in self.blocks:
            block.build(inputs_shape, digests_shape)
            if block.merges:
                merged += 1
                _, own_shape = block.merge_enhancement.compute_output_shape(inputs_shape)
                count = min(merged, self.max_digests) * own_shape[1]
                digests_shape = (own_shape[0], count, own_shape[2])

    def call(self, inputs, return_intermediates=False, training=None):
        """Returns the last block's tokens, or the dict of intermediates."""
        _check_intermediates(return_intermediates)
        return_maps = return_intermediates is True
        x, memory, tokens, maps = inputs, None, [], []
        windows = None if self.window is None else Windows.of(inputs, self.window)
        for index, block in enumerate(self.blocks):
            if windows is not None:
                x = windows.partition(x, index)
            outputs = block(x, memory, return_attention_maps=return_maps, training=training)
            x, *others = outputs if isinstance(outputs, tuple) else (outputs,)
            if windows is not None:
                x = windows.join(x, index)
            tokens.append(x)
            if return_maps:
                maps.append(others.pop())
            if others:
                memory = self._remember(memory, *others)
        if not return_intermediates:
            return x
        if not return_maps:
            return {"tokens": tokens}
        digests = {} if memory is None else {"digests": memory}
        return {"tokens": tokens, **digests, "maps": maps}

    def _remember(self, memory, digests):
        """Appends a block's digest tokens to the memory, and drops the oldest if it is full.

        Two tensors are concatenated at a time: fast kernels for phones take at most five.
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

    def compute_output_spec(self, inputs, return_intermediates=False, training=None):
        """Returns the input's shape; shapes of digest tokens and maps are found by tracing."""
        _check_intermediates(return_intermediates)
        if return_intermediates is True:
            return super().compute_output_spec(inputs, return_intermediates=True, training=training)

        def tokens():
            return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

        return {"tokens": [tokens() for _ in self.blocks]} if return_intermediates else tokens()

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "max_digests": self.max_digests, "window": self.window}


def _check_intermediates(return_intermediates):
    if not isinstance(return_intermediates, bool) and return_intermediates != "tokens":
        raise ValueError(
            '`return_intermediates` must be False, True or "tokens". '
            f"Received: return_intermediates={return_intermediates!r}"
        )
