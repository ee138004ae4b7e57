"""The CabViT models: two builders, the named variants, complexity, preprocessing, class names."""

from keras_cabvit.models.cabvit_h import CabViTH
from keras_cabvit.models.cabvit_p import CabViTP
from keras_cabvit.models.complexity import PartComplexity, count_complexity
from keras_cabvit.models.feature_maps import features
from keras_cabvit.models.preprocessing import decode_predictions, preprocess_input
from keras_cabvit.models.variants import (
    CabViTH_B,
    CabViTH_L,
    CabViTH_S,
    CabViTH_T,
    CabViTP_B,
    CabViTP_S,
    CabViTP_T,
    build_variant,
    list_models,
)

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
    "PartComplexity",
    "build_variant",
    "count_complexity",
    "decode_predictions",
    "features",
    "list_models",
    "preprocess_input",
]
