import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from over_seeds import over_seeds

from training.augmentation import augment_image
from training.augmentation.rand_augment import rand_augment
from training.augmentation.random_erasing import random_erasing
from training.recipes.recipe import Augmentation

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def augmented(augmentation, count):
    return over_seeds(lambda seed: augment_image(tf.constant(IMAGE), augmentation, seed), count)


def test_without_options_only_the_type_changes():
    images = augmented(Augmentation(), 3)
    assert images.dtype == np.float32
    assert images.shape == (3, 24, 32, 3)
    assert np.all(images == IMAGE)


@pytest.mark.parametrize(
    ("option", "flipped"),
    [("horizontal_flip", IMAGE[:, ::-1]), ("vertical_flip", IMAGE[::-1])],
)
def test_flips_come_with_their_probability(option, flipped):
    images = augmented(Augmentation(**{option: 0.3}), 2000)

    is_flipped = np.all(images == flipped, axis=(1, 2, 3))
    assert np.all(is_flipped | np.all(images == IMAGE, axis=(1, 2, 3)))
    assert abs(np.mean(is_flipped) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 2000)


def test_both_flips_are_independent():
    images = augmented(Augmentation(horizontal_flip=0.5, vertical_flip=0.5), 1000)

    both = np.mean(np.all(images == IMAGE[::-1, ::-1], axis=(1, 2, 3)))
    assert abs(both - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1000)


def test_flip_then_rand_augment_then_erasing():
    everything = Augmentation(
        horizontal_flip=1.0, rand_augment_operations=2, erasing_probability=0.7
    )

    for number in range(50):
        seed = [3, number]
        image = rand_augment(tf.constant(IMAGE[:, ::-1]), everything, seed)
        expected = random_erasing(tf.cast(image, tf.float32), 0.7, seed)

        image = augment_image(tf.constant(IMAGE), everything, seed)

        np.testing.assert_array_equal(image, expected)


def test_keras_cv_leaves_all_but_the_flips_to_the_batch():
    augmentation = Augmentation(
        horizontal_flip=1.0,
        rand_augment_operations=2,
        rand_augment_probability=1.0,
        erasing_probability=1.0,
        library="keras_cv",
    )
    assert np.all(augmented(augmentation, 5) == IMAGE[:, ::-1])


def test_same_seed_gives_the_same_image():
    augmentation = Augmentation(
        horizontal_flip=0.5, rand_augment_operations=2, erasing_probability=0.25
    )
    images = over_seeds(lambda seed: augment_image(tf.constant(IMAGE), augmentation, seed % 30), 60)
    np.testing.assert_array_equal(images[:30], images[30:])
    assert len(np.unique(images, axis=0)) > 15


def test_draws_for_different_purposes_are_independent():
    # One seed draws everything about an image; yet flipped images are erased as often as others.
    augmentation = Augmentation(horizontal_flip=0.5, erasing_probability=0.5)
    plain = dataclasses.replace(augmentation, erasing_probability=0.0)
    flipped = np.all(augmented(plain, 2000) == IMAGE[:, ::-1], axis=(1, 2, 3))
    erased = np.any(augmented(augmentation, 2000) != augmented(plain, 2000), axis=(1, 2, 3))

    assert abs(np.corrcoef(flipped, erased)[0, 1]) < 4 / np.sqrt(2000)
