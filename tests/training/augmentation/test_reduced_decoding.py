"""Large JPEG files are decoded in half their size or less, for crops that stay the same."""

import io

import made_files as made
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cabvit.data.decoding.decode import decode_part, decode_rgb
from training.augmentation import random_resized_crop
from training.recipes.recipe import Augmentation

IMAGENET = {"crop_scale": (0.08, 1.0), "crop_ratio": (3 / 4, 4 / 3)}
RNG = np.random.default_rng(0)
ROUGH = Image.fromarray(RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8))
SIZES = [(320, 400), (323, 405)]  # of whole blocks, and not


def photograph(size, orientation=1, **options):
    """Returns a JPEG file of coloured blobs with some noise, as stored (height, width)."""
    smooth = np.asarray(ROUGH.resize(size[::-1], Image.Resampling.BICUBIC), int)
    noisy = smooth + np.random.default_rng(1).integers(-12, 13, smooth.shape)
    file = io.BytesIO()
    exif = b"Exif\0\0" + made.oriented(orientation)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=95, exif=exif, **options
    )
    return file.getvalue()


decode = tf.function(decode_rgb, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


def crops(file, size, augmentation, count):
    """Returns crops of a file, and of its pixels, for the same seeds."""

    @tf.function(
        input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((2,), tf.int32)],
        autograph=False,  # which training does not use either
    )
    def of_file(file, seed):
        return random_resized_crop(file, size, augmentation, seed)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((2,), tf.int32),
        ],
        autograph=False,
    )
    def of_pixels(pixels, seed):
        return random_resized_crop(pixels, size, augmentation, seed)

    files = [file] if isinstance(file, bytes) else file
    seeds = [(3, number) for number in range(count)]
    return (
        np.array([of_file(file, seed) for file in files for seed in seeds]),
        np.array([of_pixels(decode(file), seed) for file in files for seed in seeds]),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("size", "interpolation"), [(SIZES[0], "bilinear"), (SIZES[1], "bicubic")])
def test_crops_show_the_same_part_as_those_of_all_pixels(size, interpolation):
    augmentation = Augmentation(**IMAGENET, crop_interpolation=interpolation)
    turned = [photograph(size, orientation) for orientation in range(1, 9)]

    of_files, of_pixels = crops(turned, (24, 16), augmentation, 16)

    apart = np.abs(of_files.astype(int) - of_pixels).mean((1, 2, 3))
    assert 0 < apart.mean() < 1.5
    assert apart.max() < 3


@pytest.mark.slow
def test_other_kinds_of_jpeg_are_reduced_too():
    files = [photograph(SIZES[1], subsampling=0), photograph(SIZES[1], progressive=True)]
    found, wanted = crops(files, (20, 20), Augmentation(), 1)
    apart = np.abs(found.astype(int) - wanted).mean((1, 2, 3))
    assert 0 < apart.min() <= apart.max() < 1.5


@pytest.mark.parametrize(
    ("least", "reduction"), [(20, 8), (21, 4), (40, 4), (41, 2), (80, 2), (81, 1), (500, 1)]
)
def test_a_part_is_reduced_as_far_as_it_keeps_the_pixels_asked_for(least, reduction):
    file = tf.constant(photograph(SIZES[0]))
    box = (8, 16, 160, 240)

    pixels, place = decode_part(file, lambda _: tuple(map(tf.constant, box)), (least, least))

    sides = 160 // reduction, 240 // reduction
    assert pixels.shape == (*sides, 3)
    np.testing.assert_array_equal(place, [0, 0, *sides])


def test_the_place_of_a_part_between_pixels_is_exact():
    file = tf.constant(photograph(SIZES[0], orientation=6))
    box = (3, 9, 200, 210)  # of 400 x 320 pixels as seen
    pixels, place = decode_part(file, lambda _: tuple(map(tf.constant, box)), (25, 25))

    # As seen, columns run from the stored image's last row to its first.
    top, left, height, width = place.numpy() * 8
    assert (top, height, width) == (3, 200, 210)
    assert left == 9 - 8
    assert pixels.shape == (26, 27, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "augmentation"),
    [
        ((200, 220), Augmentation()),  # more than half of the file's size
        ((24, 16), Augmentation(**IMAGENET, crop_antialias=False)),
    ],
)
def test_small_files_and_crops_without_antialiasing_have_the_pixels_of_full_decoding(
    size, augmentation
):
    file = photograph(SIZES[0], subsampling=0)
    of_file, of_pixels = crops(file, size, augmentation, 6)
    np.testing.assert_array_equal(of_file, of_pixels)
