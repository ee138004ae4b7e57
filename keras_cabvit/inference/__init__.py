"""Inference forms of the trainable layers, and `fuse`, which builds a model from them."""

from keras_cabvit.inference.channel_mixing import FusedChannelMixing
from keras_cabvit.inference.convnext_block import FusedConvNeXtBlock
from keras_cabvit.inference.convolution import FusedConvolution, FusedConvolutions
from keras_cabvit.inference.cross_block_attention import (
    FusedCrossBlockAttention,
    FusedCrossBlockAttentionComputedBias,
)
from keras_cabvit.inference.fusing import ATTENTION_BIASES, can_be_fused, fuse
from keras_cabvit.inference.layer_normalization import FusedLayerNormalization
from keras_cabvit.inference.token_merge_enhancement import FusedTokenMergeEnhancement

__all__ = [
    "ATTENTION_BIASES",
    "FusedChannelMixing",
    "FusedConvNeXtBlock",
    "FusedConvolution",
    "FusedConvolutions",
    "FusedCrossBlockAttention",
    "FusedCrossBlockAttentionComputedBias",
    "FusedLayerNormalization",
    "FusedTokenMergeEnhancement",
    "can_be_fused",
    "fuse",
]
