"""Presets by name, of weights that the package contains."""

# KerasHub has no public name for it.
from keras_hub.src.utils.preset_utils import register_presets

from keras_cabvit.hub.backbone import CabViTBackbone
from keras_cabvit.weights.tiny_imagenet import tiny_imagenet_weights_path


def register():
    """Makes the presets known to `from_preset` of KerasHub's classes, and to their `presets`."""
    # KerasHub looks up a preset's place under this key, and takes the path of a folder as well.
    folder = tiny_imagenet_weights_path("CabViTH_T").parent
    presets = {
        "cabvit_h_t_tiny_imagenet": {
            "metadata": {
                "description": (
                    "CabViTH_T at 64x64, trained on the 200 classes of Tiny ImageNet: 57.8 % top-1."
                ),
                "params": 5_864_548,
                "path": "cabvit",
            },
            "kaggle_handle": str(folder),
        },
    }
    register_presets(presets, CabViTBackbone)
