"""The layers of CabViT, each registered with Keras for saving and loading."""

from keras_cabvit.layers.cabvit_block import CabViTBlock
from keras_cabvit.layers.cabvit_stage import CabViTStage
from keras_cabvit.layers.channel_mixing import ChannelMixing
from keras_cabvit.layers.convnext_block import ConvNeXtBlock
from keras_cabvit.layers.convolution_norm import ConvolutionNorm
from keras_cabvit.layers.convolutional_stem import ConvolutionalStem
from keras_cabvit.layers.cross_block_attention import CrossBlockAttention
from keras_cabvit.layers.drop_path import DropPath
from keras_cabvit.layers.initializers import DepthwiseFanInUniform
from keras_cabvit.layers.layer_scale import LayerScale
from keras_cabvit.layers.padded_convolution import PaddedConv2D, PaddedDepthwiseConv2D
from keras_cabvit.layers.patch_embedding import PatchEmbedding
from keras_cabvit.layers.patch_merging import PatchMerging
from keras_cabvit.layers.token_merge_enhancement import TokenMergeEnhancement

__all__ = [
    "CabViTBlock",
    "CabViTStage",
    "ChannelMixing",
    "ConvNeXtBlock",
    "ConvolutionNorm",
    "ConvolutionalStem",
    "CrossBlockAttention",
    "DepthwiseFanInUniform",
    "DropPath",
    "LayerScale",
    "PaddedConv2D",
    "PaddedDepthwiseConv2D",
    "PatchEmbedding",
    "PatchMerging",
    "TokenMergeEnhancement",
]
