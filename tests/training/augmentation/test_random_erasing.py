import numpy as np
import tensorflow as tf
from over_seeds import over_seeds

from training.augmentation.random_erasing import random_erasing

# Noise never looks like this.
PLAIN = np.full((40, 60, 3), 1e6, np.float32)


def erased(probability, count, image=PLAIN):
    return over_seeds(lambda seed: random_erasing(tf.constant(image), probability, seed), count)


def rectangles(images):
    """Yields top, bottom, left and right of the erased area, and asserts that it is a rectangle."""
    for image in images:
        changed = np.any(image != PLAIN, axis=-1)
        if changed.any():
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            assert np.all(image[top:bottom, left:right] != 1e6)
            assert changed.sum() == (bottom - top) * (right - left)
            yield top, bottom, left, right


def test_one_rectangle_is_erased_with_the_given_probability():
    found = list(rectangles(erased(0.25, 2000)))

    assert abs(len(found) / 2000 - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)


def test_sizes_and_places_of_rectangles():
    top, bottom, left, right = np.array(list(rectangles(erased(1.0, 2000)))).T
    heights, widths = bottom - top, right - left
    areas, ratios = heights * widths / (40 * 60), heights / widths

    assert len(areas) > 1990
    # Sides are whole pixels, which changes areas by up to half a side.
    assert areas.min() > 0.015
    assert areas.max() < 1 / 3 + 0.015
    assert ratios.min() > 0.26
    assert ratios.max() < 3.9
    # Uniform in area and in the logarithm of the ratio; tall ones of a large area do not fit.
    small = areas < 0.15
    assert abs(np.median(areas[small]) - 0.085) < 0.01
    assert abs(np.mean(np.log(ratios[small]))) < 0.1
    assert abs(np.std(np.log(ratios[small])) - np.log(1 / 0.3) / np.sqrt(3)) < 0.06
    # Anywhere in the image, up to its borders.
    places = top / (40 - heights)
    assert abs(np.mean(places) - 0.5) < 4 / np.sqrt(12 * 2000)
    assert np.any(top == 0)
    assert np.any(bottom == 40)
    assert np.any(left == 0)
    assert np.any(right == 60)


def test_noise_is_normal_in_every_pixel_and_channel_and_not_clipped():
    images = erased(1.0, 50)
    noise = images[np.any(images != PLAIN, axis=-1)]  # (pixels, 3)

    normalised = (noise / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    error = 1 / np.sqrt(len(noise))
    np.testing.assert_allclose(normalised.mean(0), 0, atol=4 * error)
    np.testing.assert_allclose(normalised.std(0), 1, atol=4 * error)
    np.testing.assert_allclose(np.corrcoef(normalised.T), np.eye(3), atol=5 * error)
    assert noise.min() < 0
    assert noise.max() > 255


def test_image_too_small_for_a_rectangle_is_unchanged():
    pixel = np.full((1, 1, 3), 7, np.float32)
    assert np.all(erased(1.0, 20, pixel) == 7)
