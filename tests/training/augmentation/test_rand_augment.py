"""The draws of RandAugment, and their application."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from over_seeds import over_seeds
from PIL import Image, ImageEnhance, ImageOps

from training.augmentation.rand_augment import OPERATIONS, draw_operations, rand_augment
from training.recipes.recipe import Augmentation

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
RECIPE = Augmentation(rand_augment_operations=2)


def enhanced(kind):
    return lambda image, level, sign: kind(image).enhance(max(0.1, 1 + sign * level * 0.9))


def moved(coefficients):
    def apply(image, level, sign):
        data = coefficients(sign * level, *image.size)
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            data,
            resample=Image.Resampling.BICUBIC,
            fillcolor=(124, 116, 104),
        )

    return apply


# timm's rules: Pillow's arguments for a level of 0..1 and a sign.
PILLOW = {
    "AutoContrast": lambda image, level, sign: ImageOps.autocontrast(image),
    "Equalize": lambda image, level, sign: ImageOps.equalize(image),
    "Invert": lambda image, level, sign: ImageOps.invert(image),
    "Rotate": lambda image, level, sign: image.rotate(
        sign * level * 30, resample=Image.Resampling.BICUBIC, fillcolor=(124, 116, 104)
    ),
    "PosterizeIncreasing": lambda image, level, sign: image.point(
        [value >> (4 + int(level * 4)) << (4 + int(level * 4)) for value in range(256)] * 3
    ),
    "SolarizeIncreasing": lambda image, level, sign: ImageOps.solarize(
        image, 256 - int(level * 256)
    ),
    "SolarizeAdd": lambda image, level, sign: image.point(
        [value + int(level * 110) if value < 128 else value for value in range(256)] * 3
    ),
    "ColorIncreasing": enhanced(ImageEnhance.Color),
    "ContrastIncreasing": enhanced(ImageEnhance.Contrast),
    "BrightnessIncreasing": enhanced(ImageEnhance.Brightness),
    "SharpnessIncreasing": enhanced(ImageEnhance.Sharpness),
    "ShearX": moved(lambda level, width, height: (1, level * 0.3, 0, 0, 1, 0)),
    "ShearY": moved(lambda level, width, height: (1, 0, 0, level * 0.3, 1, 0)),
    "TranslateXRel": moved(lambda level, width, height: (1, 0, level * 0.45 * width, 0, 1, 0)),
    "TranslateYRel": moved(lambda level, width, height: (1, 0, 0, 0, 1, level * 0.45 * height)),
}


def test_there_are_the_15_operations_of_timm():
    assert list(OPERATIONS) == list(PILLOW)


@pytest.mark.parametrize("magnitude", [0.0, 4.937, 9.037, 10.0])
@pytest.mark.parametrize("name", PILLOW)
def test_strength_of_an_operation_is_that_of_timm(name, magnitude):
    for sign in (-1.0, 1.0):
        expected = PILLOW[name](Image.fromarray(IMAGE), magnitude / 10, sign)
        strength = tf.constant(magnitude, tf.float64) / 10

        image = OPERATIONS[name](
            tf.constant(IMAGE), strength, tf.constant(sign, tf.float64), "bicubic"
        )

        assert_same_pixels(image, expected)


def assert_same_pixels(image, expected):
    """Asserts equality, except for one level in a few pixels: see test_geometric_operations.py."""
    differences = np.abs(np.asarray(image).astype(int) - np.asarray(expected))
    assert differences.max() <= 1
    assert np.mean(differences > 0) < 1e-2


def test_image_goes_through_the_drawn_operations_in_turn():
    seeds = 60
    augmentation = dataclasses.replace(RECIPE, rand_augment_probability=0.8)
    images = over_seeds(lambda seed: rand_augment(tf.constant(IMAGE), augmentation, seed), seeds)
    draws = over_seeds(lambda seed: draw_operations(augmentation, seed), seeds)

    names = list(PILLOW)
    for image, *drawn in zip(images, *draws, strict=True):
        expected = Image.fromarray(IMAGE)
        for operation, magnitude, sign in zip(*drawn, strict=True):
            if operation >= 0:
                expected = PILLOW[names[operation]](expected, magnitude / 10, sign)
        # The second operation may enlarge an error of one level made by the first.
        assert np.mean(image != np.asarray(expected)) < 1e-2


def test_operations_are_drawn_uniformly_and_applied_half_of_the_time():
    operations, _, _ = over_seeds(lambda seed: draw_operations(RECIPE, seed), 6000)

    # Of 12,000 draws 6,000 are applied, 400 of each operation: +-4 standard deviations.
    assert abs(np.mean(operations >= 0) - 0.5) < 4 * 0.5 / np.sqrt(12_000)
    counts = np.bincount(operations[operations >= 0], minlength=15)
    assert len(counts) == 15
    assert np.all(np.abs(counts - 400) < 4 * np.sqrt(400))
    # The two operations of an image are independent.
    same = np.mean((operations[:, 0] == operations[:, 1])[np.all(operations >= 0, axis=1)])
    assert abs(same - 1 / 15) < 4 * np.sqrt(1 / 15 / 1500)


def test_magnitudes_are_normal_and_signs_are_even():
    _, magnitudes, signs = over_seeds(lambda seed: draw_operations(RECIPE, seed), 6000)

    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(np.mean(signs)) < 4 / np.sqrt(12_000)
    # Normal with mean 9 and deviation 0.5, of which 2.3 % are clipped to 10.
    assert magnitudes.max() == 10.0
    assert abs(np.mean(magnitudes == 10.0) - 0.0228) < 4 * np.sqrt(0.0228 / 12_000)
    assert abs(np.median(magnitudes) - 9) < 4 * 0.5 * 1.2533 / np.sqrt(12_000)
    assert abs(np.mean(magnitudes < 8.5) - 0.1587) < 4 * np.sqrt(0.1587 / 12_000)


def test_strength_and_probability_are_those_of_the_recipe():
    changed = dataclasses.replace(
        RECIPE,
        rand_augment_operations=3,
        rand_augment_magnitude=4.0,
        rand_augment_magnitude_std=0.0,
        rand_augment_probability=1.0,
    )
    operations, magnitudes, _ = over_seeds(lambda seed: draw_operations(changed, seed), 50)

    assert operations.shape == (50, 3)
    assert np.all(operations >= 0)
    assert np.all(magnitudes == 4.0)


def test_same_seed_gives_the_same_image():
    images = [rand_augment(tf.constant(IMAGE), RECIPE, [3, number % 20]) for number in range(40)]

    np.testing.assert_array_equal(images[:20], images[20:])
    assert len(np.unique(images, axis=0)) > 10


def test_interpolation_is_that_of_the_recipe():
    bilinear = dataclasses.replace(RECIPE, rand_augment_interpolation="bilinear")
    smooth, sharp = (
        np.stack([rand_augment(tf.constant(IMAGE), recipe, [3, number]) for number in range(30)])
        for recipe in (bilinear, RECIPE)
    )
    # About a third of the images get one of the five operations that move pixels.
    assert 1 <= np.sum(np.any(smooth != sharp, axis=(1, 2, 3))) <= 20
