"""Augmentation in JAX, compared with the operations of tf.data, which equal Pillow's."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from training.augmentation.rand_augment import OPERATIONS
from training.in_memory import augmentation as in_jax
from training.recipes.recipe import Augmentation

UNCHANGED = Augmentation(crop_interpolation="bilinear", crop_antialias=False)
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 16, 24, 3), dtype=np.uint8)
# Smooth, so that the two ways of rounding between pixels differ little.
GRADIENT = np.broadcast_to(
    np.stack(np.meshgrid(np.arange(40) * 5, np.arange(32) * 7)[::1], -1).sum(-1)[..., None] % 256,
    (32, 40, 3),
).astype("uint8")


@functools.cache
def compiled(function, static=()):
    """Compiles a function as a whole, without XLA's optimisations, which take most of the time."""
    options = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
    return jax.jit(function, static_argnums=static, compiler_options=options)


def augment(key, images, augmentation):
    return np.asarray(compiled(in_jax.augment, 2)(key, images, augmentation))


def mix(key, images, targets, augmentation):
    return compiled(in_jax.mix, 3)(key, images, targets, augmentation)


def test_default_augmentation_changes_nothing():
    found = augment(jax.random.key(0), PIXELS, UNCHANGED)
    np.testing.assert_allclose(found, PIXELS, atol=1e-3)


def test_horizontal_flip():
    flipped = dataclasses.replace(UNCHANGED, horizontal_flip=1.0)
    found = augment(jax.random.key(0), PIXELS, flipped)
    np.testing.assert_allclose(found, PIXELS[:, :, ::-1], atol=1e-3)


def test_crop_stays_inside_the_image_and_has_the_area_asked_for():
    rows, columns = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    places = np.broadcast_to(np.stack([rows, columns, rows], -1), (200, 64, 64, 3))
    cropped = dataclasses.replace(UNCHANGED, crop_scale=(0.25, 0.5), crop_ratio=(0.8, 1.25))
    found = augment(jax.random.key(1), places, cropped)
    assert found.min() > -0.5
    assert found.max() < 63.5
    height = (found[:, -1, 0, 0] - found[:, 0, 0, 0]) / 63
    width = (found[:, 0, -1, 1] - found[:, 0, 0, 1]) / 63
    area, ratio = height * width, width / height
    assert 0.25 <= area.min() < 0.27
    assert 0.48 < area.max() <= 0.5001
    assert 0.8 <= ratio.min() < 0.82
    assert 1.22 < ratio.max() <= 1.2501


COLOR_NAMES = (
    "AutoContrast",
    "Equalize",
    "Invert",
    "PosterizeIncreasing",
    "SolarizeIncreasing",
    "SolarizeAdd",
    "ColorIncreasing",
    "ContrastIncreasing",
    "BrightnessIncreasing",
    "SharpnessIncreasing",
)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("index", range(10))
def test_operation_on_values(index, sign):
    image, strength = PIXELS[0], 0.7
    expected = OPERATIONS[COLOR_NAMES[index]](
        tf.constant(image), tf.constant(strength, tf.float64), tf.constant(sign, tf.float64), None
    )
    operation = compiled(in_jax._COLOR_OPERATIONS[index])
    factor = max(1 + sign * strength * 0.9, 0.1)
    pixels = jnp.asarray(image[None], "float32")
    found = operation(pixels, np.float32(strength), np.float32(factor))[0]
    # Pillow rounds the grey or smooth image first and cuts decimals off at the end.
    np.testing.assert_allclose(found, expected.numpy().astype("float32"), atol=1.5)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(
    ("which", "name"),
    list(enumerate(["Rotate", "ShearX", "ShearY", "TranslateYRel", "TranslateXRel"])),
)
def test_operation_that_moves_pixels(which, name, sign):
    strength = 0.5
    image = np.minimum(GRADIENT, 120)
    expected = OPERATIONS[name](
        tf.constant(image),
        tf.constant(strength, tf.float64),
        tf.constant(sign, tf.float64),
        "bilinear",
    ).numpy()
    signed = np.array([sign * strength])
    moved = compiled(in_jax._moved)
    found = np.asarray(moved(image[None].astype("float32"), np.array([which]), signed))[0]
    # The two differ where the border is mixed with the fill colour.
    assert np.mean(np.abs(found - expected) > 3) < 0.08


def test_rand_augment_draws_every_operation():
    drawn = Augmentation(
        rand_augment_operations=1,
        rand_augment_probability=1.0,
        rand_augment_interpolation="bilinear",
    )
    images = np.broadcast_to(PIXELS[0], (400, 16, 24, 3))
    found = augment(jax.random.key(2), images, drawn)
    different = {image.round().astype("uint8").tobytes() for image in found}
    assert len(different) > 150  # most have strengths of their own
    inverted = np.abs(found - (255 - images)).max(axis=(1, 2, 3)) < 1e-3
    assert 10 <= inverted.sum() <= 50  # one of fifteen


@pytest.mark.parametrize("alphas", [(0.2, 0.0), (0.0, 1.0), (0.2, 1.0)])
def test_targets_have_the_share_of_the_pixels(alphas):
    mixup, cutmix = alphas
    augmentation = dataclasses.replace(UNCHANGED, mixup_alpha=mixup, cutmix_alpha=cutmix)
    images = np.zeros((2, 16, 16, 3), "float32")
    images[1] = 1.0
    targets = in_jax.smooth(np.array([0, 1]), 2, 0.0)
    for number in range(20):
        mixed, found = mix(jax.random.key(number), images, targets, augmentation)
        share_of_one = np.mean(mixed, axis=(1, 2, 3))
        np.testing.assert_allclose(found[:, 1], share_of_one, atol=1e-5)
        np.testing.assert_allclose(np.sum(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("alphas", [(0.2, 0.0), (0.0, 1.0)])
def test_every_image_has_a_share_of_its_own(alphas):
    mixup, cutmix = alphas
    augmentation = dataclasses.replace(UNCHANGED, mixup_alpha=mixup, cutmix_alpha=cutmix)
    images = np.zeros((20, 16, 16, 3), "float32")
    _, found = mix(jax.random.key(0), images, np.eye(20, dtype="float32"), augmentation)
    assert len({round(float(share), 4) for share in np.diagonal(found)}) > 10


def test_no_mixing_when_both_are_switched_off():
    targets = in_jax.smooth(np.array([0, 1]), 2, 0.1)
    np.testing.assert_allclose(targets, [[0.95, 0.05], [0.05, 0.95]], atol=1e-6)
    mixed, found = mix(jax.random.key(0), PIXELS[:2], targets, UNCHANGED)
    assert mixed is not None
    np.testing.assert_array_equal(mixed, PIXELS[:2])
    np.testing.assert_array_equal(found, targets)
