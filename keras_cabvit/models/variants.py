"""The named variants, as data."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Variant:
    """One named configuration of a family.

    Attributes:
        name: what the library calls it; files and look-ups go by this name.
        family: "hybrid" or "plain".
        arguments: what the family's builder is called with.
        published_name: the authors' names, of the 2022 code and the 2023 paper.
        published_top1: top-1 accuracy on ImageNet-1K in percent, as published (224x224, no
            distillation), or None where nobody has published one.
        published_macs: multiply-accumulates of the published code at 224x224, or None.
    """

    name: str
    family: str
    arguments: dict[str, Any] = field(repr=False)
    published_name: str | None = None
    published_top1: float | None = None
    published_macs: float | None = None


def _hybrid(name, widths, depths, heads, drop_path_rate, *published):
    arguments = {
        "embed_dims": widths,
        "depths": depths,
        "num_heads": heads,
        "drop_path_rate": drop_path_rate,
    }
    return Variant(name, "hybrid", arguments, *published)


def _plain(name, width, heads, drop_path_rate, *published):
    arguments = {
        "embed_dim": width,
        "depth": 12,
        "num_heads": heads,
        "drop_path_rate": drop_path_rate,
    }
    return Variant(name, "plain", arguments, *published)


VARIANTS = {
    variant.name: variant
    for variant in (
        _hybrid(
            "CabViTH_T", (64, 128, 192, 320), (2, 2, 6, 2), (6, 10), 0.0,
            "cabvit_h_l1; FcaFormer-L1 (Micro)", 80.3, 1.385e9,
        ),
        _hybrid(
            "CabViTH_S", (96, 192, 320, 480), (2, 2, 7, 2), (10, 15), 0.1,
            "cabvit_h_l2; FcaFormer-L2 (Tiny)", 83.1, 3.620e9,
        ),
        _hybrid(
            "CabViTH_B", (96, 192, 320, 512), (3, 6, 12, 3), (10, 16), 0.2,
            "cabvit_h_l3; FcaFormer-L3 (Small)", 84.2, 6.680e9,
        ),
        _hybrid(
            "CabViTH_L", (128, 256, 512, 768), (3, 6, 12, 3), (16, 24), 0.4,
            "FcaFormer-L4 (Base)", 84.9, 14.535e9,
        ),
        _plain("CabViTP_T", 192, 3, 0.0, "cabvit_p_l0; FcaFormer-L0", 74.3),
        _plain("CabViTP_S", 384, 6, 0.1),
        _plain("CabViTP_B", 768, 12, 0.1),
    )
}  # fmt: skip


def list_models():
    """Returns the names of the variants, as they are called in `keras_cabvit`.

    Example:
        >>> keras_cabvit.list_models()[0]
        'CabViTH_T'
    """
    return list(VARIANTS)
