"""The operations that change values equal Pillow's to the last bit."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from training.augmentation import pixel_operations

RNG = np.random.default_rng(0)
RAMP = np.linspace(40, 200, 24 * 32).reshape(24, 32, 1)
IMAGES = {
    "every value": RNG.integers(0, 256, (40, 52, 3), dtype=np.uint8),
    "low contrast": (RAMP + RNG.normal(0, 6, (24, 32, 3))).astype(np.uint8),
    "one colour": np.full((24, 32, 3), (0, 77, 255), np.uint8),
    "two values": RNG.choice(np.array([10, 13], np.uint8), (24, 32, 3)),
    "few pixels": RNG.integers(0, 256, (2, 5, 3), dtype=np.uint8),
}
FACTORS = [0.1, 0.19, 0.7, 1.0, 1.3, 1.81, 1.9]

CASES = [
    ("autocontrast", [None], ImageOps.autocontrast),
    ("equalize", [None], ImageOps.equalize),
    ("invert", [None], ImageOps.invert),
    ("posterize", [1, 2, 4, 8], ImageOps.posterize),
    ("solarize", [0, 1, 26, 128, 255, 256], ImageOps.solarize),
    (
        "solarize_add",
        [0, 1, 99, 110, 128],
        lambda image, add: image.point([v + add if v < 128 else v for v in range(256)] * 3),
    ),
    ("color", FACTORS, lambda image, factor: ImageEnhance.Color(image).enhance(factor)),
    ("contrast", FACTORS, lambda image, factor: ImageEnhance.Contrast(image).enhance(factor)),
    ("brightness", FACTORS, lambda image, factor: ImageEnhance.Brightness(image).enhance(factor)),
    ("sharpness", FACTORS, lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor)),
]


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(
    ("name", "argument", "pillow"),
    [
        pytest.param(name, argument, pillow, id=f"{name} {argument or ''}".strip())
        for name, arguments, pillow in CASES
        for argument in arguments
    ],
)
def test_values_are_those_of_pillow(name, argument, pillow, image):
    given = () if argument is None else (argument,)
    expected = np.asarray(pillow(Image.fromarray(image), *given))

    values = getattr(pixel_operations, name)(tf.constant(image), *given)

    assert values.dtype == tf.uint8
    np.testing.assert_array_equal(values, expected)


def test_posterize_with_no_bits_is_black():
    # Pillow did so until it refused 0, which a magnitude of 10 needs.
    image = tf.constant(IMAGES["every value"])
    assert not np.any(pixel_operations.posterize(image, 0))
