"""Synthetic photographs: JPEG files that take as long to decode as real ones, free to use."""

import numpy as np
from PIL import Image


def write_photographs(folder, count, size=(375, 500), seed=0, grain=8):
    """Writes JPEG files, of about 60 kB by default, into one folder for each of two classes.

    As in a photograph, finer detail is fainter, with some grain on top.

    Args:
        folder: `pathlib.Path`, in which the class folders are created.
        count: integer, the number of files.
        size: (height, width) in pixels.
        seed: integer.
        grain: number, the grain's standard deviation, of which the bytes per pixel depend most.

    Returns:
        The mean size of a file in bytes.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    total = 0
    for number in range(count):
        pixels = np.zeros((height, width, 3))
        for cells in (3, 6, 12, 24, 48, 96):
            detail = rng.integers(0, 256, (cells, cells * width // height, 3), dtype=np.uint8)
            enlarged = Image.fromarray(detail).resize((width, height), Image.Resampling.BICUBIC)
            pixels += np.asarray(enlarged) / cells**0.7
        pixels = 255 * (pixels - pixels.min()) / np.ptp(pixels)
        pixels = np.clip(pixels + rng.normal(0, grain, pixels.shape), 0, 255)
        path = folder / f"class_{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
        total += path.stat().st_size
    return total / count
