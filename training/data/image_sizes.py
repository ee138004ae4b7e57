"""Sizes of the images of a split, from a sample of them."""

import statistics
from dataclasses import dataclass

from training.data.split import Split

_SAMPLED = 100

Size = tuple[int, int]


@dataclass(frozen=True)
class ImageSizes:
    """Widths and heights of sampled images in pixels, as they are stored.

    Attributes:
        sizes: (width, height) of each; empty if they are unknown.
        sampled: whether there are more images.
        of_jpeg_files: (width, height) of those among them that are in JPEG files.
    """

    sizes: tuple[Size, ...]
    sampled: bool = False
    of_jpeg_files: tuple[Size, ...] = ()

    @property
    def shorter_side(self) -> int | None:
        """The median of the shorter sides in pixels; None if the sizes are unknown."""
        return int(statistics.median(map(min, self.sizes))) if self.sizes else None

    def sentence(self) -> str:
        """Returns the sizes as text; empty if they are unknown."""
        if not self.sizes:
            return ""
        ordered = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        smallest, median, largest = (
            f"{width}x{height}"
            for width, height in (ordered[0], ordered[len(ordered) // 2], ordered[-1])
        )
        if smallest == largest:
            return f"Image size: {median} pixels."
        sample = f" (a sample of {len(ordered)})" if self.sampled else ""
        return f"Image sizes: {smallest} to {largest} pixels, median {median}{sample}."


def image_sizes(split: Split) -> ImageSizes:
    """Reads the sizes of up to 100 images, evenly spread over a split, from their headers.

    Those of TensorFlow Datasets are unknown: they would have to be read one after the other.

    Args:
        split: `Split`. Images that cannot be opened are left out.
    """
    files = split.files()
    if files is None:
        if not split.has_pixels:
            return ImageSizes(())
        height, width = split.in_order().map(split.image).element_spec.shape[:2]
        return ImageSizes(((width, height),) if height and width else ())
    from PIL import Image

    sizes, of_jpeg_files = [], []
    for file in files[:: -(-len(files) // _SAMPLED) or 1]:
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
                if image.format in ("JPEG", "MPO"):
                    of_jpeg_files.append(image.size)
        except Exception:  # the errors of damaged files have no common class
            continue
    return ImageSizes(tuple(sizes), len(files) > _SAMPLED, tuple(of_jpeg_files))
