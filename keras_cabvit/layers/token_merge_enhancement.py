"""Token merge and enhancement (TME), the source of the digest tokens."""

import keras

from keras_cabvit.layers.convolution_norm import ConvolutionNorm
from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.layers.padded_convolution import PaddedDepthwiseConv2D
from keras_cabvit.layers.token_grid import (
    MERGE_KERNEL,
    MERGE_STRIDE,
    built_for,
    merge_output_shape,
    token_grid,
    validated_grid,
)


@keras.saving.register_keras_serializable(package="keras_cabvit")
class TokenMergeEnhancement(Leaf):
    """Merges the tokens of a block into a few digest tokens, and enhances the tokens themselves.

    Merge: a depthwise 7x7 convolution of stride 4 without bias, padded by 3 on every side. Its
    outputs are the digest tokens, which later blocks of the stage attend to. Enhance: a depthwise
    3x3 convolution and BatchNorm on the same input, without a residual. (FcaFormer paper, the
    section on token merge and enhancement.) A class token bypasses both.

    Args:
        merge: whether to output digest tokens. The last block of a stage outputs none, because they
            would never be used. Defaults to True.
        enhance: whether to enhance the tokens. False leaves them unchanged, for measuring the
            effect of enhancement. Defaults to True.
        grid: (height, width) of the tokens when the input is (batch, prefix + height * width,
            channels); None, the default, when it is a feature map.
        depthwise_initializer: initializer of both kernels. Defaults to None: normal(0.02).
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input: (batch, height, width, channels), or tokens if `grid` is given.
    Output: the enhanced tokens in the input's shape, and, if `merge`, a second tensor of digest
        tokens (batch, ceil(height / 4) * ceil(width / 4), channels).

    Raises:
        ValueError: the input's shape does not fit `grid`, or the layer was built for another one.

    Example:
        >>> layer = keras_cabvit.layers.TokenMergeEnhancement()
        >>> enhanced, digests = layer(np.ones((2, 14, 14, 32), "float32"))
        >>> tuple(enhanced.shape), tuple(digests.shape)
        ((2, 14, 14, 32), (2, 16, 32))
    """

    @accepts_numpy
    def __init__(
        self,
        merge=True,
        enhance=True,
        grid=None,
        depthwise_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.merge = merge
        self.enhance = enhance
        self.grid = validated_grid(grid)
        self.depthwise_initializer = keras.initializers.get(
            depthwise_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        if merge:
            self.merge_convolution = PaddedDepthwiseConv2D(
                MERGE_KERNEL,
                strides=MERGE_STRIDE,
                use_bias=False,
                depthwise_initializer=self.depthwise_initializer.clone(),
                name="merge_convolution",
                dtype=self.dtype_policy,
            )
        if enhance:
            self.enhancement = ConvolutionNorm(
                None,
                3,
                kernel_initializer=self.depthwise_initializer.clone(),
                name="enhancement",
                dtype=self.dtype_policy,
            )

    def build(self, input_shape):
        """Creates the weights for a feature map, or for tokens on `grid`."""
        batch, channels = input_shape[0], input_shape[-1]
        self.layout = token_grid(input_shape, self.grid, self.name)
        self.input_spec = built_for(input_shape)
        map_shape = (batch, self.layout.height, self.layout.width, channels)
        if self.merge:
            self.merge_convolution.build(map_shape)
        if self.enhance:
            self.enhancement.build(map_shape)

    def call(self, inputs, training=None):
        """Returns the enhanced tokens, and the digest tokens if `merge`."""
        feature_map = self.layout.as_map(inputs)
        enhanced = inputs
        if self.enhance:
            enhanced = self.enhancement(feature_map, training=training)
            enhanced = self.layout.as_tokens(enhanced, inputs)
        if not self.merge:
            return enhanced
        return enhanced, self.layout.as_digests(self.merge_convolution(feature_map))

    def compute_output_shape(self, input_shape):
        """Returns the input's shape, and that of the digest tokens if `merge`."""
        return merge_output_shape(self, input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "merge": self.merge,
            "enhance": self.enhance,
            "grid": self.grid,
            "depthwise_initializer": keras.initializers.serialize(self.depthwise_initializer),
        }
