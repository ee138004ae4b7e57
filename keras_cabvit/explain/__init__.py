"""Attention maps, shares of digest tokens, attention rollout and Grad-CAM, as arrays."""

from keras_cabvit.explain.attention import attention_maps, digest_shares, place_shares
from keras_cabvit.explain.blocks import block_names
from keras_cabvit.explain.class_activation import grad_cam
from keras_cabvit.explain.explanation import Explanation, explain_image
from keras_cabvit.explain.rollout import attention_rollout, rollout_map

__all__ = [
    "Explanation",
    "attention_maps",
    "attention_rollout",
    "block_names",
    "digest_shares",
    "explain_image",
    "grad_cam",
    "place_shares",
    "rollout_map",
]
