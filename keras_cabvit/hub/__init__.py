"""CabViT-H as a KerasHub model: backbone with a feature pyramid, classifier, and presets.

Importing this package registers the classes and presets with KerasHub. `import keras_cabvit` does
not import it: KerasHub is an optional dependency (extra `hub`).
"""

try:
    import keras_hub  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "keras_hub":
        raise
    raise ImportError('keras_cabvit.hub needs KerasHub: pip install "keras-cabvit[hub]"') from error

from keras_cabvit.hub.backbone import CabViTBackbone
from keras_cabvit.hub.image_classifier import CabViTImageClassifier
from keras_cabvit.hub.preprocessing import CabViTImageClassifierPreprocessor, CabViTImageConverter
from keras_cabvit.hub.presets import register

__all__ = [
    "CabViTBackbone",
    "CabViTImageClassifier",
    "CabViTImageClassifierPreprocessor",
    "CabViTImageConverter",
]

register()
