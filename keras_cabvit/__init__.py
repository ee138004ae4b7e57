"""CabViT (FcaFormer) in Keras 3, on TensorFlow, JAX and PyTorch."""

from keras_cabvit import data, export, inference, layers, models, runtimes, weights
from keras_cabvit.models import (
    CabViTH,
    CabViTH_B,
    CabViTH_L,
    CabViTH_S,
    CabViTH_T,
    CabViTP,
    CabViTP_B,
    CabViTP_S,
    CabViTP_T,
    decode_predictions,
    list_models,
    preprocess_input,
)

__version__ = "0.1.0"

__all__ = [
    "CabViTH",
    "CabViTH_B",
    "CabViTH_L",
    "CabViTH_S",
    "CabViTH_T",
    "CabViTP",
    "CabViTP_B",
    "CabViTP_S",
    "CabViTP_T",
    "data",
    "decode_predictions",
    "export",
    "inference",
    "layers",
    "list_models",
    "models",
    "preprocess_input",
    "runtimes",
    "weights",
]
