"""CabViT with the parameters of the reference, which exercise every part of it.

Fresh weights would not do: position biases start at zero and LayerScale near zero, so a converter
would drop them and rounding would seem to cost nothing.
"""

import importlib.util
import json
from pathlib import Path

from keras_cabvit.models import build_variant
from keras_cabvit.pytorch import load_torch_state_dict

_REFERENCE = Path(__file__).parents[1] / "tests" / "reference"


def filled_model(variant, **options):
    """Builds a variant with the parameters that `tests/reference` uses.

    Args:
        variant: string, such as "CabViTH_S".
        **options: arguments of the variant's function.
    """
    specification = importlib.util.spec_from_file_location(
        "parameter_fill", _REFERENCE / "parameter_fill.py"
    )
    parameter_fill = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(parameter_fill)
    shapes = json.loads((_REFERENCE / "reference.json").read_text(encoding="utf-8"))[variant][
        "state_dict"
    ]
    model = build_variant(variant, **options)
    load_torch_state_dict(
        model, {name: parameter_fill.parameter(name, shape) for name, shape in shapes.items()}
    )
    return model
