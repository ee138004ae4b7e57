"""CabViT (FcaFormer) in Keras 3, on TensorFlow, JAX and PyTorch."""

import importlib
import sys

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
    "explain",
    "export",
    "features",
    "finetuning",
    "inference",
    "layers",
    "list_models",
    "models",
    "preprocess_input",
    "pytorch",
    "runtimes",
    "weights",
]

_PACKAGES = (
    *("data", "explain", "export", "finetuning", "inference", "layers", "models", "pytorch"),
    "runtimes",
    "weights",
)


def _in_a_program():
    """Whether this process is `cabvit`, `python -m keras_cabvit` or `python -m training`.

    Everywhere else `import keras_cabvit` registers the layers, so that Keras loads saved models.
    """
    # While Python locates the module to run, the first argument is "-m".
    locating = sys.argv[:1] == ["-m"] and "keras_cabvit" in sys.orig_argv
    return locating or "cabvit_program" in sys.modules


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.models"), name)


if not _in_a_program():
    from keras_cabvit import (
        data,
        explain,
        export,
        finetuning,
        inference,
        layers,
        models,
        pytorch,
        runtimes,
        weights,
    )
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
        features,
        list_models,
        preprocess_input,
    )
