"""Registry of downloadable weights: reads `registry.json` beside this file.

`registry.json` is a list of objects with the fields of `PublishedWeights`. It is empty as long as
no CabViT weights have a URL; the authors' only checkpoint is on a file-sharing page.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from keras_cabvit.weights.checksums import check_sha256

REGISTRY_PATH = Path(__file__).with_name("registry.json")


@dataclasses.dataclass(frozen=True)
class PublishedWeights:
    """A downloadable file of ImageNet weights.

    Attributes:
        variant: name of the model function, such as `"CabViTH_S"`.
        url: URL of the `.weights.h5` file.
        sha256: SHA-256 of the file, 64 lower-case hexadecimal digits.
        size: size of the file in bytes.
        top1: top-1 accuracy on the ImageNet-1k validation set in percent.
        source: origin of the parameters, for human readers.
        licence: licence of the file, an SPDX identifier if there is one.

    Raises:
        ValueError: a field has the wrong type or an impossible value.
    """

    variant: str
    url: str
    sha256: str
    size: int
    top1: float
    source: str
    licence: str

    def __post_init__(self) -> None:
        for name in ("variant", "url", "source", "licence"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"`{name}` must be a non-empty string. Received: {value!r}")
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"`url` must begin with https:// or http://. Received: {self.url!r}")
        object.__setattr__(self, "sha256", check_sha256(self.sha256))
        if type(self.size) is not int or self.size <= 0:
            raise ValueError(f"`size` must be a positive number of bytes. Received: {self.size!r}")
        if type(self.top1) not in (int, float) or not 0 <= self.top1 <= 100:
            raise ValueError(f"`top1` must be a percentage, 0 to 100. Received: {self.top1!r}")


def published_weights(variant: str) -> PublishedWeights | None:
    """Looks up the published ImageNet weights of a variant.

    Args:
        variant: name of the model function, such as `"CabViTH_S"`.

    Returns:
        A `PublishedWeights`, or None if none are published at a URL.

    Raises:
        ValueError: any entry of the registry is malformed.
    """
    entries = json.loads(REGISTRY_PATH.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise ValueError(f"{REGISTRY_PATH} must hold a JSON list of entries.")
    by_variant = {}
    for number, entry in enumerate(entries, start=1):
        try:
            weights = _read_entry(entry)
            if weights.variant in by_variant:
                raise ValueError(f"{weights.variant} already has an entry; only one is allowed.")
        except ValueError as error:
            raise ValueError(f"Entry {number} of {REGISTRY_PATH} is malformed. {error}") from error
        by_variant[weights.variant] = weights
    return by_variant.get(variant)


def _read_entry(entry: Any) -> PublishedWeights:
    if not isinstance(entry, dict):
        raise ValueError(f"It must be a JSON object. Received: {entry!r}")
    fields = {field.name for field in dataclasses.fields(PublishedWeights)}
    if missing := sorted(fields - entry.keys()):
        raise ValueError(f"These fields are missing: {', '.join(missing)}.")
    if unknown := sorted(entry.keys() - fields):
        raise ValueError(f"These fields are unknown: {', '.join(unknown)}.")
    return PublishedWeights(**entry)
