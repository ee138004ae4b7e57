"""JPEG files of enough pixels to be read from reduced copies, and what else a folder may hold."""

import io

import made_files as made
import numpy as np
from PIL import Image

from training.recipes.recipe import Augmentation

# For images of 16x16, parts of these files keep an eighth or a quarter; the smallest is too small.
SIZES = ((400, 530), (403, 535), (200, 270), (90, 120))
CROPS = Augmentation(crop_scale=(0.35, 1.0), crop_ratio=(3 / 4, 4 / 3))


def photograph(size, seed=0, orientation=1, mode="RGB", **options):
    """Returns a JPEG file of coloured blobs with some noise, as stored (height, width)."""
    generator = np.random.default_rng(seed)
    rough = Image.fromarray(generator.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    pixels = np.asarray(rough.resize(size[::-1], Image.Resampling.BICUBIC), int)
    pixels = (pixels + generator.integers(-9, 10, pixels.shape)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    exif = b"Exif\0\0" + made.oriented(orientation)
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=90, exif=exif, **options)
    return file.getvalue()


def write_large_photographs(folder):
    """Writes 24 files into two class folders, a broken one and a PNG file among them.

    Returns:
        The folder.
    """
    kinds = ({}, {"subsampling": 0}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"})
    for number in range(22):
        size, kind = SIZES[number % 4], kinds[number % 5]
        file = folder / f"class_{number % 2}" / f"{number:02}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photograph(size, number, 1 + number % 8, **kind))
    (folder / "class_0" / "broken.jpg").write_bytes(photograph(SIZES[0])[:4000])
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZES[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "class_1" / "lossless.png")
    return folder
