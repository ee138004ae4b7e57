"""CabViT-H, the published model: a hybrid of convolutional and attention stages."""

import keras
import numpy as np

from keras_cabvit.layers import (
    CabViTBlock,
    CabViTStage,
    ChannelMixing,
    ConvNeXtBlock,
    ConvolutionalStem,
    CrossBlockAttention,
    PatchMerging,
    TokenMergeEnhancement,
)
from keras_cabvit.layers.numpy_arguments import accepts_numpy
from keras_cabvit.models.application import Application
from keras_cabvit.models.arguments import check_common, check_integer_sequence
from keras_cabvit.models.windowed import window_sides


@accepts_numpy
def CabViTH(
    embed_dims,
    depths,
    num_heads,
    max_digests=12,
    enhance=True,
    scale_digests=True,
    mlp_ratio=4.0,
    layer_scale_init=1e-6,
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
    name="cabvit_h",
    dtype=None,
    windowed=False,
):
    """Builds a hybrid CabViT of any size.

    Stem, two stages of ConvNeXt blocks, two stages of CabViT blocks, patch merging between stages;
    mean over tokens, LayerNorm and a Dense layer at the end. (CabViT-H in the 2022 text, FcaFormer
    in the 2023 paper.)

    Args:
        embed_dims: four integers, channels per stage.
        depths: four integers, blocks per stage.
        num_heads: two integers, attention heads of the third and fourth stages.
        max_digests: integer, the number of earlier blocks whose digest tokens a block attends to; 0
            switches digest tokens off. Defaults to 12.
        enhance: whether blocks enhance their tokens with a depthwise convolution. Defaults to True.
        scale_digests: whether digest tokens are multiplied by learned scale factors. Defaults to
            True.
        mlp_ratio: float, MLP hidden width as a multiple of the channel count. Defaults to 4.
        layer_scale_init: float, initial value of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
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
            Height and width must be multiples of 32; with `windowed` they may be None, for images
            of any size.
        pooling: pooling of the features if `include_top` is False. None returns the last feature
            map, not normalised. "avg" and "max" pool it to (batch, channels), followed by the
            head's LayerNorm.
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
        windowed: whether the attention, digest tokens and convolutions of the last two stages stay
            inside windows, as in the authors' code for dense prediction. A window is the token grid
            that the weights were trained on: with True that of the file at `weights`, or without
            one that of 224x224 images, 14x14 tokens and then 7x7; an integer is the side of other
            square images in pixels. A model has the same weights with and without windows.
            Defaults to False.

    Returns:
        A `keras.Model`. Its input is (batch, height, width, channels).

    Raises:
        ValueError: an argument is wrong or two are incompatible; the message names it and says what
            would be right.

    Example:
        >>> model = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     input_shape=(64, 96, 3), classes=10)
        >>> model.output_shape
        (None, 10)
    """
    application = Application(
        size_multiple=32,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        poolings=(None, "avg", "max"),
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        dtype=dtype,
        windowed=windowed,
    )
    _check_sizes(embed_dims, depths, num_heads)
    check_common(
        mlp_ratio=mlp_ratio,
        layer_scale_init=layer_scale_init,
        max_digests=max_digests,
        drop_rate=drop_rate,
        attention_drop_rate=attention_drop_rate,
        drop_path_rate=drop_path_rate,
    )

    def residual_branch(drop_path_rate):
        return {
            "layer_scale_init": layer_scale_init,
            "drop_rate": drop_rate,
            "drop_path_rate": drop_path_rate,
            "dtype": dtype,
        }

    def convnext_block(name, drop_path_rate):
        branch = residual_branch(drop_path_rate)
        return ConvNeXtBlock(mlp_ratio=mlp_ratio, name=name, **branch)

    def cabvit_block(name, heads, merge, drop_path_rate):
        branch = residual_branch(drop_path_rate)
        return CabViTBlock(
            CrossBlockAttention(
                heads,
                scale_digests=scale_digests,
                attention_drop_rate=attention_drop_rate,
                name="attention",
                **branch,
            ),
            TokenMergeEnhancement(merge, enhance, name="merge_enhancement", dtype=dtype),
            ChannelMixing(mlp_ratio, norm_count=2, name="channel_mixing", **branch),
            name=name,
        )

    # Stochastic depth rises linearly over all blocks of all stages.
    rates = [float(rate) for rate in np.linspace(0, drop_path_rate, sum(depths))]
    windows = window_sides(windowed, weights)
    images = x = application.images()
    x = ConvolutionalStem(embed_dims[0], name="stem", dtype=dtype)(x)
    for stage, (channels, depth) in enumerate(zip(embed_dims, depths, strict=True)):
        if stage > 0:
            x = PatchMerging(channels, name=f"merging_{stage}", dtype=dtype)(x)
        stage_rates, rates = rates[:depth], rates[depth:]
        if stage < 2:
            for index, rate in enumerate(stage_rates):
                x = convnext_block(f"stage_{stage}_block_{index}", rate)(x)
        else:
            blocks = [
                cabvit_block(
                    f"block_{index}",
                    num_heads[stage - 2],
                    merge=max_digests > 0 and index < depth - 1,
                    drop_path_rate=rate,
                )
                for index, rate in enumerate(stage_rates)
            ]
            x = CabViTStage(blocks, max_digests, windows[stage - 2], name=f"stage_{stage}")(x)

    if include_top or pooling is not None:
        pool = (
            keras.layers.GlobalMaxPooling2D
            if pooling == "max"
            else keras.layers.GlobalAveragePooling2D
        )
        x = pool(data_format="channels_last", name=f"{pooling or 'avg'}_pool", dtype=dtype)(x)
        x = keras.layers.LayerNormalization(epsilon=1e-5, name="head_norm", dtype=dtype)(x)
    return application.model(images, x, drop_rate=drop_rate, name=name)


def _check_sizes(embed_dims, depths, num_heads):
    check_integer_sequence("embed_dims", embed_dims, 4)
    check_integer_sequence("depths", depths, 4)
    check_integer_sequence("num_heads", num_heads, 2)
    if embed_dims[0] % 2:
        raise ValueError(
            "`embed_dims` must begin with an even number: the stem's first convolution has half as "
            f"many channels. Received: embed_dims={embed_dims}"
        )
    for channels, heads in zip(embed_dims[2:], num_heads, strict=True):
        if channels % heads:
            raise ValueError(
                "`num_heads` must divide the channels of its stage. Received: "
                f"num_heads={num_heads} for embed_dims={embed_dims}"
            )
