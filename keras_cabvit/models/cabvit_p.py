"""CabViT-P: the plain model, DeiT with digest tokens."""

import keras
import numpy as np
from keras import ops

from keras_cabvit.layers import (
    CabViTBlock,
    CabViTStage,
    ChannelMixing,
    CrossBlockAttention,
    DepthwiseFanInUniform,
    PatchEmbedding,
    TokenMergeEnhancement,
)
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.models.application import Application
from keras_cabvit.models.arguments import check_common, check_positive_integers
from keras_cabvit.models.windowed import refuse_windowed

# As in DeiT; the hybrid model has 1e-5.
EPSILON = 1e-6


@accepts_numpy
def CabViTP(
    embed_dim,
    depth,
    num_heads,
    max_digests=12,
    enhance=True,
    scale_digests=True,
    patch_size=16,
    mlp_ratio=4.0,
    layer_scale_init=None,
    drop_rate=0.0,
    attention_drop_rate=0.0,
    drop_path_rate=0.0,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="cabvit_p",
    dtype=None,
    windowed=False,
):
    """Builds a plain CabViT of any size.

    DeiT (patches, class token, learned positions) whose blocks merge and enhance their patch tokens
    and attend to the digest tokens of the blocks before them. All blocks form one stage. (CabViT-P
    in the 2022 text, FcaFormer-L0 in the 2023 paper.)

    Args:
        embed_dim: integer, number of channels.
        depth: integer, number of blocks.
        num_heads: integer, number of attention heads; must divide `embed_dim`.
        max_digests: integer, the number of earlier blocks whose digest tokens a block attends to; 0
            switches digest tokens off. Defaults to 12.
        enhance: whether blocks enhance their tokens with a depthwise convolution. Defaults to True.
        scale_digests: whether digest tokens are multiplied by learned scale factors. Defaults to
            True.
        patch_size: integer, side of a patch in pixels. Defaults to 16.
        mlp_ratio: float, MLP hidden width as a multiple of the channel count. Defaults to 4.
        layer_scale_init: float, initial value of the LayerScale factors. Defaults to None: no
            LayerScale.
        drop_rate: float, rate of the dropout after projections and before the classifier. Defaults
            to 0.
        attention_drop_rate: float, rate of the dropout on the attention maps. Defaults to 0.
        drop_path_rate: float, stochastic depth rate of the last block; the rate rises linearly from
            0 over all blocks. Defaults to 0.
        include_top: whether to end in the classifier. Defaults to True.
        weights: None for random values, the default, or the path of a `.weights.h5` or `.keras`
            file saved by a model with the same arguments. Weights of another image size are
            resampled. With other `classes` the classifier is left out, and with other channels the
            first kernel is adapted; a warning says so.
        input_tensor: a Keras tensor to use as images instead of a new input.
        input_shape: (height, width, channels), not necessarily square; None means (224, 224, 3).
            Height and width must be multiples of `patch_size`.
        pooling: pooling of the features if `include_top` is False. None returns the normalised
            tokens, class token first. "avg" and "max" pool the patch tokens to (batch, channels);
            "token" returns the class token.
        classes: integer, the number of classes. Defaults to 1000.
        classifier_activation: activation of the classifier, "softmax" by default; None gives
            logits.
        include_preprocessing: whether the model takes pixels in [0, 255] and normalises them
            itself. Defaults to True; False takes normalised pixels: (x / 255 - 0.449) / 0.226 of
            grey images.
        name: string, the model's name.
        dtype: Keras dtype policy of the layers, or its name. None, the default, is the global one.
            Pixels are normalised and scores computed in the policy's variable dtype. `compile`
            scales the loss of "mixed_float16" if it is the global one; with it given here, train
            with a `keras.optimizers.LossScaleOptimizer`.
        windowed: only hybrid models can be windowed; anything but False, the default, is refused.

    Returns:
        A `keras.Model`. Its input is (batch, height, width, channels).

    Raises:
        ValueError: an argument is wrong or two are incompatible; the message names it and says what
            would be right.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=4, input_shape=(32, 32, 3),
        ...     include_top=False, pooling="token")
        >>> model.output_shape
        (None, 24)
    """
    refuse_windowed(windowed)
    check_positive_integers(
        embed_dim=embed_dim, depth=depth, num_heads=num_heads, patch_size=patch_size
    )
    check_common(
        mlp_ratio=mlp_ratio,
        layer_scale_init=layer_scale_init,
        max_digests=max_digests,
        drop_rate=drop_rate,
        attention_drop_rate=attention_drop_rate,
        drop_path_rate=drop_path_rate,
    )
    application = Application(
        size_multiple=patch_size,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        poolings=(None, "avg", "max", "token"),
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        dtype=dtype,
    )
    if embed_dim % num_heads:
        raise ValueError(
            "`num_heads` must divide `embed_dim`. "
            f"Received: num_heads={num_heads}, embed_dim={embed_dim}"
        )
    images = x = application.images()
    grid = (x.shape[1] // patch_size, x.shape[2] // patch_size)

    def cabvit_block(name, merge, drop_path_rate):
        branch = {
            "epsilon": EPSILON,
            "layer_scale_init": layer_scale_init,
            "drop_rate": drop_rate,
            "drop_path_rate": drop_path_rate,
            "dtype": dtype,
        }
        return CabViTBlock(
            CrossBlockAttention(
                num_heads,
                position_bias=False,
                scale_digests=scale_digests,
                attention_drop_rate=attention_drop_rate,
                grid=grid,
                name="attention",
                **branch,
            ),
            TokenMergeEnhancement(
                merge,
                enhance,
                grid=grid,
                depthwise_initializer=depthwise_initializer,
                name="merge_enhancement",
                dtype=dtype,
            ),
            ChannelMixing(mlp_ratio, norm_count=1, name="channel_mixing", **branch),
            name=name,
        )

    x = PatchEmbedding(embed_dim, patch_size, name="patch_embedding", dtype=dtype)(x)
    if drop_rate:
        x = keras.layers.Dropout(drop_rate, name="embedding_dropout", dtype=dtype)(x)
    depthwise_initializer = DepthwiseFanInUniform()  # one, which each block copies
    blocks = [
        cabvit_block(f"block_{index}", max_digests > 0 and index < depth - 1, float(rate))
        for index, rate in enumerate(np.linspace(0, drop_path_rate, depth))
    ]
    x = CabViTStage(blocks, max_digests, name="stage")(x)
    x = keras.layers.LayerNormalization(epsilon=EPSILON, name="head_norm", dtype=dtype)(x)
    if include_top or pooling == "token":
        # In two steps: LiteRT's fast kernels support no slice that drops an axis.
        x = ops.reshape(x[:, :1], (-1, x.shape[-1]))
    elif pooling == "avg":
        x = keras.layers.GlobalAveragePooling1D(
            data_format="channels_last", name="avg_pool", dtype=dtype
        )(x[:, 1:])
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling1D(
            data_format="channels_last", name="max_pool", dtype=dtype
        )(x[:, 1:])
    return application.model(images, x, drop_rate=drop_rate, name=name)
