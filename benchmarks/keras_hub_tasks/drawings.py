"""Drawn images with exact boxes and masks: three shapes on a cloudy background."""

from dataclasses import dataclass
from functools import partial

import numpy as np

SHAPES = ("disc", "square", "triangle")
SHAPES_PER_IMAGE = 3
# Least and greatest width of a shape in pixels.
WIDTHS = (28, 48)


@dataclass(frozen=True)
class Drawings:
    """Images and what is drawn in them.

    Attributes:
        images: uint8 (count, height, width, 3).
        boxes: float32 (count, shapes, 4): left, top, right, bottom in pixels.
        labels: int32 (count, shapes): positions in `SHAPES`.
        masks: int32 (count, height, width): 0 for the background, or 1 more than the label.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


def draw(count, size, seed=0):
    """Returns `Drawings` of a size (height, width) in pixels, whose shapes do not overlap."""
    rng = np.random.default_rng(seed)
    images, boxes, labels, masks = [], [], [], []
    for _ in range(count):
        image, mask = _background(size, rng), np.zeros(size, np.int32)
        places = _places(size, rng)
        kinds = rng.integers(0, len(SHAPES), SHAPES_PER_IMAGE)
        for (left, top, width), kind in zip(places, kinds, strict=True):
            inside = _inside(size, left, top, width, kind)
            image[inside] = rng.uniform(0, 255, 3)
            mask[inside] = kind + 1
        images.append(np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8))
        boxes.append([(left, top, left + width, top + width) for left, top, width in places])
        labels.append(kinds)
        masks.append(mask)
    return Drawings(
        np.stack(images),
        np.array(boxes, np.float32),
        np.array(labels, np.int32),
        np.stack(masks),
    )


def _background(size, rng):
    """Returns a smooth image (*size, 3): random colours at a few points, interpolated."""
    image = rng.uniform(0, 255, (4, 4, 3))
    for axis, side in enumerate(size):
        at = np.linspace(0, 3, side)
        image = np.apply_along_axis(partial(np.interp, at, range(4)), axis, image)
    return image


def _places(size, rng):
    """Returns (left, top, width) of squares that do not overlap."""
    places = []
    while len(places) < SHAPES_PER_IMAGE:
        width = int(rng.integers(*WIDTHS))
        top, left = (int(rng.integers(0, side - width)) for side in size)
        if all(
            left + width <= x or x + w <= left or top + width <= y or y + w <= top
            for x, y, w in places
        ):
            places.append((left, top, width))
    return places


def _inside(size, left, top, width, kind):
    """Returns which pixels of an image are inside a shape that fills a square."""
    # Positions from 0 to 1 within the square, of the centres of the pixels.
    down, across = (
        (np.arange(side) + 0.5 - start) / width
        for side, start in zip(size, (top, left), strict=True)
    )
    down, across = down[:, None], across[None, :]
    if SHAPES[kind] == "disc":
        return (across - 0.5) ** 2 + (down - 0.5) ** 2 <= 0.25
    in_square = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
    if SHAPES[kind] == "square":
        return in_square
    return in_square & (2 * np.abs(across - 0.5) <= down)
