"""The input layer of the plain model: patches, class token and positions, as in DeiT."""

import math

import keras
from keras import ops

from keras_cabvit.layers.leaf import Leaf
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.layers.stored_grid import StoredGrid


@keras.saving.register_keras_serializable(package="keras_cabvit")
class PatchEmbedding(StoredGrid, Leaf):
    """Cuts an image into patches, projects each to a token, and adds class token and positions.

    (Touvron et al. 2021, "Training data-efficient image transformers", section 3.)

    Args:
        embed_dim: integer, channels per token.
        patch_size: integer, side of the square patches in pixels. Defaults to 16.
        **kwargs: `name`, `dtype` and the like, for `keras.layers.Layer`.

    Input: images (batch, height, width, 3); height and width are multiples of `patch_size`.
    Output: tokens (batch, 1 + height * width / patch_size**2, embed_dim), the class token first.

    Weights: `class_token` (embed_dim,), `class_position` (embed_dim,) and `patch_positions`
        (rows, columns, embed_dim), besides those of the projection.

    Raises:
        ValueError: height or width is unknown or not a multiple of `patch_size`.

    Example:
        >>> layer = keras_cabvit.layers.PatchEmbedding(embed_dim=8, patch_size=4)
        >>> tuple(layer(np.ones((2, 32, 16, 3), "float32")).shape)
        (2, 33, 8)
    """

    @accepts_numpy
    def __init__(self, embed_dim, patch_size=16, **kwargs):
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.patch_size = patch_size

    def build(self, input_shape):
        """Creates the weights for images of this height and width."""
        rows, columns = self._grid(input_shape)
        limit = 1 / math.sqrt(self.patch_size**2 * input_shape[-1])  # PyTorch's default, as in DeiT
        self.projection = keras.layers.Conv2D(
            self.embed_dim,
            self.patch_size,
            strides=self.patch_size,
            name="projection",
            kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
            bias_initializer=keras.initializers.RandomUniform(-limit, limit),
            data_format="channels_last",
            dtype=self.dtype_policy,
        )
        self.projection.build(input_shape)
        for name, shape in (
            ("class_token", (self.embed_dim,)),
            ("class_position", (self.embed_dim,)),
            ("patch_positions", (rows, columns, self.embed_dim)),
        ):
            initializer = keras.initializers.RandomNormal(stddev=0.02)
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer=initializer))

    @property
    def token_grid(self):
        """Rows and columns of patches that the layer was built for."""
        return tuple(self.patch_positions.shape[:2])

    def _grid(self, input_shape):
        _, height, width, _ = input_shape
        if None in (height, width) or height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"Layer '{self.name}' needs images whose height and width are known multiples of "
                f"the patch size {self.patch_size}. Received: input shape {tuple(input_shape)}"
            )
        return height // self.patch_size, width // self.patch_size

    def call(self, inputs):
        """Returns the class token and the patch tokens."""
        x = self.projection(inputs) + self.patch_positions
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2], self.embed_dim))
        class_token = ops.reshape(self.class_token + self.class_position, (1, 1, -1))
        class_token = ops.repeat(class_token, ops.shape(x)[0], axis=0)
        return ops.concatenate([class_token, x], axis=1)

    def compute_output_shape(self, input_shape):
        """Returns (batch, 1 + patches, embed_dim)."""
        rows, columns = self._grid(input_shape)
        return input_shape[0], 1 + rows * columns, self.embed_dim

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "embed_dim": self.embed_dim,
            "patch_size": self.patch_size,
        }
