import numpy as np
import pytest
import tensorflow as tf
from over_seeds import over_seeds

from training.augmentation import mix_batch
from training.recipes.recipe import Augmentation

# Every pixel of image i of a batch is i, and so tells which image it comes from.
IMAGES = np.zeros((4, 20, 30, 3), np.float32) + np.arange(4, dtype=np.float32)[:, None, None, None]
LABELS = np.array([0, 1, 2, 3])
CLASSES = 5


def mixed(count, labels=LABELS, **options):
    """Returns batches and soft labels: (count, 4, 20, 30, 3) and (count, 4, 5)."""
    augmentation = Augmentation(**options)
    return over_seeds(
        lambda seed: mix_batch(
            tf.constant(IMAGES), tf.constant(labels), CLASSES, augmentation, seed
        ),
        count,
    )


def shares(targets):
    """Returns, for each batch, the share of an image that is its own."""
    own = targets[:, LABELS, LABELS]
    assert np.ptp(own, axis=1).max() < 1e-6, "one share for the whole batch"
    return own[:, 0]


def test_without_options_labels_become_one_hot():
    images, targets = mixed(1)
    np.testing.assert_array_equal(images[0], IMAGES)
    np.testing.assert_array_equal(targets[0], np.eye(CLASSES, dtype=np.float32)[LABELS])


def test_label_smoothing_spreads_its_share_over_all_classes():
    _, targets = mixed(1, label_smoothing=0.1)
    np.testing.assert_allclose(targets[0], 0.9 * np.eye(CLASSES)[LABELS] + 0.1 / 5, rtol=1e-6)


def test_mixup_weights_an_image_and_its_partner_as_it_does_their_labels():
    images, targets = mixed(30, mixup_alpha=0.8)

    share = shares(targets)[:, None]
    assert np.ptp(images, axis=(2, 3, 4)).max() < 1e-6
    own, partner = np.arange(4), np.arange(4)[::-1]
    np.testing.assert_allclose(
        images[:, :, 0, 0, 0], share * own + (1 - share) * partner, atol=1e-5
    )
    np.testing.assert_allclose(targets[:, own, partner], 1 - np.tile(share, 4), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 0.8, 1.0, 3.0])
def test_share_of_mixup_has_the_beta_distribution(alpha):
    share = shares(mixed(3000, mixup_alpha=alpha)[1])

    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(variance / 3000)
    # Its kurtosis is below 3, so this is more than four standard deviations.
    assert abs(share.var() / variance - 1) < 4 * np.sqrt(2 / 3000)


def test_alpha_may_be_tiny():
    share = shares(mixed(200, mixup_alpha=1e-3)[1])
    assert not np.any(np.isnan(share))
    assert np.mean((share < 0.01) | (share > 0.99)) > 0.95


def test_cutmix_counts_the_pixels_that_it_replaces():
    images, targets = mixed(200, cutmix_alpha=1.0)

    for batch, share in zip(images, shares(targets), strict=True):
        own, partner = IMAGES[:, :1, :1, :1], IMAGES[::-1, :1, :1, :1]
        replaced = batch == partner
        assert np.all(replaced | (batch == own))
        assert np.all(replaced == replaced[:1])
        np.testing.assert_allclose(np.mean(replaced), 1 - share, atol=1e-6)
        inside = replaced[0, :, :, 0]
        rows, columns = inside.any(1), inside.any(0)
        np.testing.assert_array_equal(inside, rows[:, None] & columns)


def test_rectangle_of_cutmix_has_the_proportions_of_the_image_and_may_exceed_it():
    images, _ = mixed(2000, cutmix_alpha=1.0)
    inside = images[:, 0, :, :, 0] == 3
    heights, widths = inside.any(2).sum(1), inside.any(1).sum(1)

    touches = inside[:, 0].any(1) | inside[:, -1].any(1)
    touches |= inside[:, :, 0].any(1) | inside[:, :, -1].any(1)
    free = ~touches & (heights > 2)
    np.testing.assert_allclose(widths[free] / 30, heights[free] / 20, atol=1 / 20)
    # The centre may be anywhere in the image. With a side of r and a uniform area, a corner is
    # replaced with a probability of the mean of (r / 2)^2, which is 1/8.
    for corner in (inside[:, 0, 0], inside[:, -1, -1]):
        assert abs(np.mean(corner) - 1 / 8) < 4 * np.sqrt(1 / 8 * 7 / 8 / 2000)


def test_one_of_the_two_half_of_the_time():
    images, _ = mixed(1000, mixup_alpha=0.8, cutmix_alpha=1.0)

    with_cutmix = np.all(np.isin(images, (0, 1, 2, 3)), axis=(1, 2, 3, 4))
    assert abs(with_cutmix.mean() - 0.5) < 4 * 0.5 / np.sqrt(1000)


def test_smoothed_labels_are_mixed():
    _, targets = mixed(20, mixup_alpha=0.8, label_smoothing=0.2)
    np.testing.assert_allclose(targets.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(targets[:, :, 4], 0.2 / 5, rtol=1e-5)


def test_same_seed_gives_the_same_batch():
    options = {"mixup_alpha": 0.8, "cutmix_alpha": 1.0}
    for first, again in zip(mixed(10, **options), mixed(10, **options), strict=True):
        np.testing.assert_array_equal(first, again)
        assert len(np.unique(first, axis=0)) == 10
