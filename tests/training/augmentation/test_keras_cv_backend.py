"""KerasCV's RandAugment, MixUp and CutMix in a data set, on every backend."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.augmentation import mix_batch
from training.recipes.recipe import Augmentation

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 24, 32, 3)).astype(np.float32)
LABELS = np.arange(6)


# keras-cv cannot be imported without regex.
INSTALLED = all(importlib.util.find_spec(name) for name in ("keras_cv", "regex"))
needs_keras_cv = pytest.mark.skipif(not INSTALLED, reason="needs the extra keras-cv")
# It uses TensorFlow, whichever backend Keras has: one other backend shows that.
torch_too = pytest.mark.torch_too if INSTALLED else needs_keras_cv


def batches(count, images=IMAGES, **options):
    """Returns a batch augmented `count` times: (count, 6, 24, 32, 3) and (count, 6, 7)."""
    augmentation = Augmentation(library="keras_cv", **options)

    @tf.autograph.experimental.do_not_convert  # as in training
    def batch(step):
        seed = tf.stack([5, step])
        return mix_batch(tf.constant(images), tf.constant(LABELS), 7, augmentation, seed)

    data = tf.data.Dataset.range(count).map(batch)
    return next(data.batch(count).as_numpy_iterator())


@torch_too
def test_rand_augment_changes_images_and_keeps_their_range():
    images, labels = batches(
        30, rand_augment_operations=1, rand_augment_probability=1.0, label_smoothing=0.1
    )

    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 255
    # AutoContrast, one of the ten operations, changes nothing here.
    changed = np.any(np.abs(images - IMAGES) > 0.5, axis=(2, 3, 4))
    assert 0.7 < np.mean(changed) < 1.0
    expected = 0.9 * np.eye(7)[LABELS] + 0.1 / 7
    np.testing.assert_allclose(labels, np.tile(expected, (30, 1, 1)), atol=1e-6)


@needs_keras_cv
def test_rand_augment_has_the_probability_of_the_recipe():
    images, _ = batches(5, rand_augment_operations=2, rand_augment_probability=0.0)
    np.testing.assert_allclose(images, np.tile(IMAGES, (5, 1, 1, 1, 1)), atol=1e-3)


@needs_keras_cv
def test_mix_up_weights_images_as_it_does_their_labels():
    # Every pixel of image i is i.
    plain = np.zeros_like(IMAGES) + LABELS[:, None, None, None]
    images, labels = batches(5, plain.astype(np.float32), mixup_alpha=0.8)

    assert np.any(labels.max(-1) < 0.99)
    np.testing.assert_allclose(images[..., 0, 0, 0], labels @ np.arange(7), atol=1e-4)


@needs_keras_cv
def test_cut_mix_replaces_rectangles():
    plain = np.zeros_like(IMAGES) + LABELS[:, None, None, None]
    images, labels = batches(5, plain.astype(np.float32), cutmix_alpha=1.0)

    assert np.any(labels.max(-1) < 0.99)
    assert np.all(np.isin(images, LABELS))
    assert np.any(np.ptp(images, axis=(2, 3, 4)) > 0)
    np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-5)


@torch_too
def test_mix_up_and_cut_mix_take_turns():
    plain = np.zeros_like(IMAGES) + LABELS[:, None, None, None]
    images, _ = batches(100, plain.astype(np.float32), mixup_alpha=0.8, cutmix_alpha=1.0)

    with_cutmix = np.mean(np.all(np.isin(images, LABELS), axis=(1, 2, 3, 4)))
    assert abs(with_cutmix - 0.5) < 6 * 0.5 / np.sqrt(100)


@needs_keras_cv
def test_erasing_comes_after_rand_augment():
    images, _ = batches(20, rand_augment_operations=2, erasing_probability=0.5)

    erased = np.any((images < 0) | (images > 255), axis=(2, 3, 4))
    assert abs(np.mean(erased) - 0.5) < 6 * 0.5 / np.sqrt(120)


@needs_keras_cv
def test_values_are_float32_under_mixed_precision(restored_settings):
    keras.config.set_dtype_policy("mixed_bfloat16")

    images, labels = batches(
        2, rand_augment_operations=2, mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1
    )

    assert images.dtype == labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-6)
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_missing_keras_cv_gives_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    monkeypatch.delitem(sys.modules, "training.augmentation.keras_cv_backend", raising=False)

    command = r'pip install "keras-cabvit\[keras-cv\]"'
    with pytest.raises(ImportError, match=f"needs keras-cv: {command}"):
        mix_batch(tf.zeros((2, 8, 8, 3)), [0, 1], 2, Augmentation(library="keras_cv"), [0, 0])
