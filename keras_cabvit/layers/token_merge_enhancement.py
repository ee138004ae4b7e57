"""Token merge and enhancement (TME): where digest tokens come from."""

import keras
from keras import ops

from keras_cabvit.inference.folding import take_over
from keras_cabvit.layers.convolution_norm import ConvolutionNorm
from keras_cabvit.layers.depthwise_rows import depthwise_by_rows
from keras_cabvit.layers.token_grid import (
    MERGE_KERNEL,
    MERGE_STRIDE,
    token_grid,
    validated_grid,
)


@keras.saving.register_keras_serializable(package="keras_cabvit")
class TokenMergeEnhancement(keras.layers.Layer):
    """Merges the tokens of a block into a few digest tokens, and enhances the tokens themselves.

    Merge: a depthwise 7x7 convolution of stride 4 without bias, padded by 3 on every side. Its
    outputs are the digest tokens, which later blocks of the stage attend to. Enhance: a depthwise
    3x3 convolution and BatchNorm on the same input, without a residual. (FcaFormer paper, the
    section on token merge and enhancement.) A class token passes by both.

    Args:
        merge: whether to make digest tokens. The last block of a stage makes none, because nobody
            would read them. Defaults to True.
        enhance: whether to enhance the tokens; without it they stay as they are, which is for
            measuring what enhancement does. Defaults to True.
        grid: (height, width) of the tokens when the input is (batch, prefix + height * width,
            channels); None, the default, when it is a feature map.
        depthwise_initializer: of both convolutions. None means normal(0.02), the default.
        fused: whether the enhancement's BatchNorm is folded into its convolution, for inference.
            Defaults to False.
        kernel_rows: integer, at most so many rows of a large depthwise kernel are computed at a
            time, which is faster in TFLite (`depthwise_by_rows`). Defaults to None: all at once.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input: (batch, height, width, channels), or tokens if `grid` is given.
    Output: the enhanced tokens in the input's shape, and, if `merge`, a second tensor of digest
        tokens (batch, ceil(height / 4) * ceil(width / 4), channels).

    Raises:
        ValueError: the input's shape and `grid` do not fit.

    Example:
        >>> layer = keras_cabvit.layers.TokenMergeEnhancement()
        >>> enhanced, digests = layer(np.ones((2, 14, 14, 32), "float32"))
        >>> tuple(enhanced.shape), tuple(digests.shape)
        ((2, 14, 14, 32), (2, 16, 32))
    """

    def __init__(
        self,
        merge=True,
        enhance=True,
        grid=None,
        depthwise_initializer=None,
        fused=False,
        kernel_rows=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.merge = merge
        self.enhance = enhance
        self.fused = fused
        self.kernel_rows = kernel_rows
        self.grid = validated_grid(grid)
        self.depthwise_initializer = keras.initializers.get(
            depthwise_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        if merge:
            self.merge_padding = keras.layers.ZeroPadding2D(
                MERGE_KERNEL // 2, data_format="channels_last", dtype=self.dtype_policy
            )
            self.merge_convolution = keras.layers.DepthwiseConv2D(
                MERGE_KERNEL,
                strides=MERGE_STRIDE,
                use_bias=False,
                depthwise_initializer=self.depthwise_initializer.clone(),
                data_format="channels_last",
                dtype=self.dtype_policy,
            )
        if enhance:
            self.enhancement = ConvolutionNorm(
                None,
                3,
                kernel_initializer=self.depthwise_initializer.clone(),
                fused=fused,
                dtype=self.dtype_policy,
            )

    def build(self, input_shape):
        """Creates the weights for a feature map, or for tokens on `grid`."""
        batch, channels = input_shape[0], input_shape[-1]
        self.layout = token_grid(input_shape, self.grid, self.name)
        map_shape = (batch, self.layout.height, self.layout.width, channels)
        if self.merge:
            self.merge_padding.build(map_shape)
            self.merge_convolution.build(self.merge_padding.compute_output_shape(map_shape))
        if self.enhance:
            self.enhancement.build(map_shape)

    def call(self, inputs, training=None):
        """Returns the enhanced tokens, and the digest tokens if `merge`."""
        height, width, prefix = self.layout
        channels = inputs.shape[-1]
        feature_map = inputs
        if self.grid is not None:
            feature_map = ops.reshape(inputs[:, prefix:], (-1, height, width, channels))

        enhanced = inputs
        if self.enhance:
            enhanced = self.enhancement(feature_map, training=training)
            if self.grid is not None:
                enhanced = ops.reshape(enhanced, (-1, height * width, channels))
                enhanced = ops.concatenate([inputs[:, :prefix], enhanced], axis=1)
        if not self.merge:
            return enhanced

        if self.kernel_rows is None:
            digests = self.merge_convolution(self.merge_padding(feature_map))
        else:
            digests = depthwise_by_rows(self.merge_convolution, feature_map, self.kernel_rows)
        rows, columns = self.layout.digest_grid
        return enhanced, ops.reshape(digests, (-1, rows * columns, channels))

    def fuse_from(self, layer):
        """Takes over the weights of a layer that is not fused."""
        if self.merge:
            take_over(self.merge_convolution, layer.merge_convolution)
        if self.enhance:
            self.enhancement.fuse_from(layer.enhancement)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape, and that of the digest tokens if `merge`."""
        if not self.merge:
            return input_shape
        rows, columns = token_grid(input_shape, self.grid, self.name).digest_grid
        return input_shape, (input_shape[0], rows * columns, input_shape[-1])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "merge": self.merge,
            "enhance": self.enhance,
            "grid": self.grid,
            "depthwise_initializer": keras.initializers.serialize(self.depthwise_initializer),
            "fused": self.fused,
            "kernel_rows": self.kernel_rows,
        }
