"""Weights with a name of their own: files, and the images and classes of their training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keras_cabvit.weights.imagenet import imagenet_weights_path
from keras_cabvit.weights.tiny_imagenet import tiny_imagenet_weights_path


@dataclass(frozen=True)
class Pretrained:
    """Weights with a name, as `weights="..."` takes it.

    Attributes:
        classes: integer, the number of classes of the trained classifier.
        image_size: (height, width) of the images in pixels.
        evaluation_crop: side of the centre crop of the images in evaluation, as a share of the
            image.
        path: function from a variant's name to the path of its `.weights.h5` file. It raises a
            ValueError if there is none, and may download it.
        terms: sentences on the terms of use; empty if the file brings its own.
        card: path of the card of the weights, or None.
    """

    classes: int
    image_size: tuple[int, int]
    evaluation_crop: float
    path: Callable[[str], Path]
    terms: str = ""
    card: Path | None = None

    @property
    def notice(self) -> str:
        """Terms of use and path of the card, in one line; empty without terms."""
        return f"Terms: {self.terms} Card: {self.card}" if self.terms else ""


PRETRAINED = {
    "imagenet": Pretrained(1000, (224, 224), 0.875, imagenet_weights_path),
    "tiny_imagenet": Pretrained(
        200,
        (64, 64),
        1.0,
        tiny_imagenet_weights_path,
        "These weights are licensed under Apache-2.0. The images they were trained on are "
        "for non-commercial research only; what that means for the weights is unsettled.",
        Path(__file__).with_name("tiny_imagenet") / "README.md",
    ),
}
"""The weights with a name, as `weights=` of the variants takes it: {name: `Pretrained`}."""
