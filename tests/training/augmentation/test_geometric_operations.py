"""The operations that move pixels, compared with Pillow's.

Pillow computes in double precision and truncates; here values are computed in float32. So if the
exact value is nearly a whole number, the result may be one level off.
"""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from training.augmentation import geometric_operations

RNG = np.random.default_rng(0)
IMAGES = {
    "every value": RNG.integers(0, 256, (40, 52, 3), dtype=np.uint8),
    "one colour": np.full((33, 24, 3), (0, 77, 255), np.uint8),
    # Too few for vector instructions, which may clip at 0 and 255 by themselves.
    "few pixels": RNG.choice(np.array([0, 255], np.uint8), (3, 5, 3)),
}
FILL = (124, 116, 104)

PILLOW = {
    "shear_x": lambda value: (1, value, 0, 0, 1, 0),
    "shear_y": lambda value: (1, 0, 0, value, 1, 0),
    "translate_x": lambda value: (1, 0, value, 0, 1, 0),
    "translate_y": lambda value: (1, 0, 0, 0, 1, value),
}
CASES = [
    *(("rotate", degrees) for degrees in (0.0, 0.37, 26.93, -26.93, 90.0)),
    *((name, factor) for name in ("shear_x", "shear_y") for factor in (0.0, 0.2693, -0.2693)),
    *(
        (name, pixels)
        for name in ("translate_x", "translate_y")
        for pixels in (0.0, 5.0, 13.371, -13.371, 60.0)
    ),
]


def moved_by_pillow(name, value, image, interpolation):
    image = Image.fromarray(image)
    how = {"resample": Image.Resampling[interpolation.upper()], "fillcolor": FILL}
    if name == "rotate":
        return image.rotate(value, **how)
    return image.transform(image.size, Image.Transform.AFFINE, PILLOW[name](value), **how)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("name", "value"), CASES)
def test_values_are_those_of_pillow(name, value, interpolation, image):
    expected = np.asarray(moved_by_pillow(name, value, image, interpolation)).astype(int)

    operation = getattr(geometric_operations, name)
    moved = operation(tf.constant(image), tf.constant(value, tf.float64), interpolation, FILL)

    assert moved.dtype == tf.uint8
    differences = np.abs(moved.numpy().astype(int) - expected)
    assert differences.max() <= 1
    assert np.mean(differences > 0) < 1e-3
