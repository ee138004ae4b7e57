"""The inference form of `TokenMergeEnhancement`."""

import keras

from keras_cabvit.layers.composite import Composite
from keras_cabvit.layers.token_grid import (
    built_for,
    merge_output_shape,
    token_grid,
    validated_grid,
)


@keras.saving.register_keras_serializable(package="keras_cabvit")
class FusedTokenMergeEnhancement(Composite):
    """Merges tokens into digest tokens, and enhances the tokens by a convolution without BatchNorm.

    Args:
        merge_convolution: depthwise convolution that outputs the digest tokens, or None.
        enhancement: `FusedConvolution` for the tokens, or None.
        grid: (height, width) of the tokens when the input is (batch, prefix + height * width,
            channels); None, the default, when it is a feature map.
        **kwargs: `name` and the like, for `keras.layers.Layer`.

    Input: (batch, height, width, channels), or tokens if `grid` is given.
    Output: the enhanced tokens in the input's shape, and, if the layer merges, a second tensor of
        digest tokens.
    """

    part_names = optional_parts = ("merge_convolution", "enhancement")

    def __init__(self, merge_convolution, enhancement, grid=None, **kwargs):
        parts = {"merge_convolution": merge_convolution, "enhancement": enhancement}
        super().__init__(parts, **kwargs)
        self.grid = validated_grid(grid)

    @classmethod
    def from_trained(cls, layer, forms):
        """Creates the inference form of a `TokenMergeEnhancement`, without weights yet.

        Args:
            layer: `TokenMergeEnhancement`.
            forms: `fusing.Forms`, which makes the parts.
        """
        return cls(
            forms(layer.merge_convolution) if layer.merge else None,
            forms(layer.enhancement) if layer.enhance else None,
            layer.grid,
            **forms.options(layer),
        )

    @property
    def merge(self):
        """Whether the layer outputs digest tokens."""
        return self.merge_convolution is not None

    def build(self, input_shape):
        """Creates the weights for a feature map, or for tokens on `grid`."""
        self.layout = token_grid(input_shape, self.grid, self.name)
        self.input_spec = built_for(input_shape)
        map_shape = (input_shape[0], self.layout.height, self.layout.width, input_shape[-1])
        for part in (self.merge_convolution, self.enhancement):
            if part is not None:
                part.build(map_shape)

    def call(self, inputs):
        """Returns the enhanced tokens, and the digest tokens if the layer merges."""
        feature_map = self.layout.as_map(inputs)
        enhanced = inputs
        if self.enhancement is not None:
            enhanced = self.layout.as_tokens(self.enhancement(feature_map), inputs)
        if not self.merge:
            return enhanced
        return enhanced, self.layout.as_digests(self.merge_convolution(feature_map))

    def compute_output_shape(self, input_shape):
        """Returns the input's shape, and that of the digest tokens if the layer merges."""
        return merge_output_shape(self, input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "grid": self.grid}
