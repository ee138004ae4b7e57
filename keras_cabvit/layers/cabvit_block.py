"""One block of a CabViT stage."""

import keras

from keras_cabvit.layers.composite import Composite, check_call


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTBlock(Composite):
    """Cross-block attention, token merge and enhancement, then channel mixing.

    A `CabViTStage` calls its blocks and carries the digest tokens from one to the next.

    Args:
        attention: `CrossBlockAttention`.
        merge_enhancement: `TokenMergeEnhancement`. If it merges, the block outputs digest tokens.
        channel_mixing: `ChannelMixing`.
        **kwargs: `name` and the like, for `keras.layers.Layer`. The dtype is the parts'.

    Call arguments:
        inputs: a feature map (batch, height, width, channels), or tokens if the parts have a grid.
        digests: digest tokens of earlier blocks (batch, digest tokens, channels), or None.
        return_attention_maps: whether to return the attention maps as well.

    Output: the block's tokens in the input's shape, alone or as the first of a tuple. If the block
        merges, its digest tokens (batch, ceil(height / 4) * ceil(width / 4), channels) follow; with
        `return_attention_maps`, the attention maps come last.

    Raises:
        ValueError: a part is not a layer, or is in another's place; `merge_enhancement` does not
            say whether it merges; or the parts have different dtype policies.

    Example:
        >>> layers = keras_cabvit.layers
        >>> block = layers.CabViTBlock(
        ...     layers.CrossBlockAttention(num_heads=2, name="attention"),
        ...     layers.TokenMergeEnhancement(name="merge_enhancement"),
        ...     layers.ChannelMixing(norm_count=2, name="channel_mixing"),
        ... )
        >>> output, digests = block(np.ones((1, 8, 8, 32), "float32"))
        >>> tuple(output.shape), tuple(digests.shape)
        ((1, 8, 8, 32), (1, 4, 32))
    """

    part_names = ("attention", "merge_enhancement", "channel_mixing")

    def __init__(self, attention, merge_enhancement, channel_mixing, **kwargs):
        parts = (attention, merge_enhancement, channel_mixing)
        super().__init__(dict(zip(self.part_names, parts, strict=True)), **kwargs)
        if not hasattr(merge_enhancement, "merge"):
            raise ValueError(
                "`merge_enhancement` must have an attribute `merge`, whether the block outputs "
                "digest tokens, as a TokenMergeEnhancement has. Received: "
                f"merge_enhancement={merge_enhancement!r}"
            )
        check_call("attention", attention, "return_attention_maps", "CrossBlockAttention")
        check_call("channel_mixing", channel_mixing, "residual", "ChannelMixing")

    @property
    def merges(self):
        """Whether the block outputs digest tokens."""
        return self.merge_enhancement.merge

    def build(self, inputs_shape, digests_shape=None):
        """Creates the weights for these shapes."""
        self.check_parts_are_new()
        self.attention.build(inputs_shape, digests_shape)
        self.merge_enhancement.build(inputs_shape)
        self.channel_mixing.build(inputs_shape)

    def call(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the block's tokens, its digest tokens if it merges, and maps if requested."""
        x, maps, own_digests = inputs, (), ()
        x = self.attention(
            x, digests, return_attention_maps=return_attention_maps, training=training
        )
        if return_attention_maps:
            x, *maps = x
        x = self.merge_enhancement(x, training=training)
        if self.merges:
            x, *own_digests = x
        x = self.channel_mixing(x, residual=x, training=training)
        outputs = (x, *own_digests, *maps)
        return outputs if len(outputs) > 1 else x

    def compute_output_spec(self, inputs, digests=None, return_attention_maps=False, training=None):
        """Returns the shapes of the outputs of `call`."""
        attended = self.attention.compute_output_spec(
            inputs, digests, return_attention_maps=return_attention_maps
        )
        maps = attended[1:] if return_attention_maps else ()
        outputs = self.merge_enhancement.compute_output_spec(inputs)
        outputs = (*outputs, *maps) if self.merges else (outputs, *maps)
        return outputs if len(outputs) > 1 else outputs[0]


def check_blocks(blocks):
    """Raises a ValueError if `blocks` is not a list of at least one `CabViTBlock`."""
    is_list = isinstance(blocks, (list, tuple)) and len(blocks) > 0
    if not (is_list and all(isinstance(block, CabViTBlock) for block in blocks)):
        raise ValueError(
            f"`blocks` must be a list of at least one CabViTBlock. Received: blocks={blocks!r}"
        )
