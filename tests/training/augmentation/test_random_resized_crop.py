import io

import numpy as np
import pytest
import tensorflow as tf
from over_seeds import over_seeds
from PIL import Image

from training.augmentation import random_resized_crop
from training.recipes.recipe import Augmentation

RNG = np.random.default_rng(0)
PHOTO = np.asarray(
    Image.fromarray(RNG.integers(0, 256, (8, 10, 3), dtype=np.uint8)).resize((100, 80))
)
SEED = tf.constant([1, 2])
WHOLE = Augmentation()
IMAGENET = {"crop_scale": (0.08, 1.0), "crop_ratio": (3 / 4, 4 / 3)}


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_whole_image_is_resized_as_pillow_does():
    for interpolation in ("bilinear", "bicubic"):
        for size in ((48, 56), (100, 120)):
            augmentation = Augmentation(crop_interpolation=interpolation)
            crop = random_resized_crop(tf.constant(PHOTO), size, augmentation, SEED)

            method = Image.Resampling[interpolation.upper()]
            expected = np.asarray(Image.fromarray(PHOTO).resize(size[::-1], method))
            # Pillow rounds after either axis.
            assert np.abs(crop.numpy().astype(int) - expected).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_without_antialiasing_only_the_nearest_pixels_count(interpolation):
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, ::4] = 255
    options = {"crop_interpolation": interpolation}

    sharp = random_resized_crop(
        tf.constant(stripes), (20, 20), Augmentation(**options, crop_antialias=False), SEED
    )
    smooth = random_resized_crop(tf.constant(stripes), (20, 20), Augmentation(**options), SEED)

    assert np.ptp(sharp[2:-2, 2:-2]) == 0
    assert np.max(sharp[2:-2, 2:-2]) <= 5
    assert np.abs(smooth.numpy()[2:-2, 2:-2].astype(int) - 64).max() <= 8


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "JPEG", {"quality": 90}),
        ("L", "JPEG", {"quality": 90}),
        ("RGB", "PNG", {}),
        ("RGBA", "PNG", {}),
        ("LA", "PNG", {}),
        ("P", "PNG", {}),
        ("RGB", "WEBP", {"lossless": True}),
        ("RGBA", "WEBP", {"lossless": True, "exact": True}),
        ("P", "GIF", {}),
        ("RGB", "BMP", {}),
    ],
)
def test_files_have_the_pixels_that_pillow_decodes(mode, kind, options):
    image = Image.fromarray(PHOTO)
    if mode.endswith("A"):
        alpha = RNG.integers(0, 256, (80, 100), dtype=np.uint8)
        image.putalpha(Image.fromarray(alpha))
    file = encoded(image.convert(mode), kind, **options)
    expected = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))

    pixels = random_resized_crop(tf.constant(file), (80, 100), WHOLE, SEED)

    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_is_cropped_as_its_pixels_are(kind):
    image = Image.fromarray(PHOTO)
    # With colours in full resolution, so that cropping before decoding them does not matter.
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    file = encoded(image, kind, **options)
    pixels = np.asarray(Image.open(io.BytesIO(file)))
    augmentation = Augmentation(**IMAGENET)

    of_file, of_pixels = (
        over_seeds(lambda seed, x=x: random_resized_crop(x, (32, 32), augmentation, seed), 20)
        for x in (tf.constant(file), tf.constant(pixels))
    )

    np.testing.assert_array_equal(of_file, of_pixels)


@pytest.mark.parametrize("axis", [(), (1,)])
def test_grey_pixels_become_three_equal_channels(axis):
    grey = tf.constant(PHOTO[..., 0].reshape(80, 100, *axis))
    augmentation = Augmentation(**IMAGENET)

    crop = random_resized_crop(grey, (32, 32), augmentation, SEED)

    three = tf.constant(np.repeat(PHOTO[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(crop, random_resized_crop(three, (32, 32), augmentation, SEED))


def boxes(height, width, count, **options):
    """Returns top, left, height and width of crops, read from an image of pixel positions."""
    rows, columns = np.mgrid[:height, :width]
    pixels = tf.constant(np.stack([rows, columns, rows], axis=-1).astype(np.uint8))
    augmentation = Augmentation(**options, crop_interpolation="bilinear", crop_antialias=False)

    def corners(seed):
        # Enlarged, so that the corners are those of the crop.
        crop = random_resized_crop(pixels, (200, 200), augmentation, seed)
        return tf.stack([crop[0, 0, :2], crop[-1, -1, :2]])

    (top, left), (bottom, right) = over_seeds(corners, count).astype(int).transpose(1, 2, 0)
    return top, left, bottom + 1 - top, right + 1 - left


def test_crops_have_the_area_and_ratio_of_the_recipe():
    top, left, height, width = boxes(120, 200, 2000, **IMAGENET)
    areas, ratios = height * width / (120 * 200), width / height

    # Sides are whole pixels.
    assert areas.min() > 0.075
    assert areas.max() <= 1.0
    assert ratios.min() > 0.72
    assert ratios.max() < 1.39
    assert np.all(top + height <= 120)
    assert np.all(left + width <= 200)
    # Small crops always fit, and so show that areas and ratios are drawn uniformly.
    small = areas < 0.3
    assert abs(np.mean(areas[small]) - 0.19) < 4 * 0.22 / np.sqrt(12 * small.sum()) + 0.002
    log_ratios = np.log(ratios[small])
    assert abs(np.mean(log_ratios)) < 4 * np.std(log_ratios) / np.sqrt(small.sum())
    assert abs(np.std(log_ratios) - np.log(4 / 3) / np.sqrt(3)) < 0.012
    # Anywhere in the image.
    places = left / (200 - width)
    assert abs(np.mean(places) - 0.5) < 4 / np.sqrt(12 * 2000) + 0.005
    for at_border in (top == 0, left == 0, top + height == 120, left + width == 200):
        assert np.any(at_border[small])
    assert abs(np.corrcoef(left[small], top[small])[0, 1]) < 4 / np.sqrt(small.sum())


@pytest.mark.parametrize(
    ("size", "box"),
    [
        # Never fits: the largest central part whose ratio is allowed.
        ((20, 100), (0, 36, 20, 27)),
        ((100, 30), (30, 0, 40, 30)),
    ],
)
def test_crop_that_never_fits_is_central(size, box):
    options = {"crop_scale": (0.9, 1.0), "crop_ratio": (3 / 4, 4 / 3)}
    found = np.stack(boxes(*size, 5, **options), axis=-1)
    np.testing.assert_array_equal(found, np.tile(box, (5, 1)))


def test_same_seed_gives_the_same_crop():
    crops = over_seeds(
        lambda seed: random_resized_crop(
            tf.constant(PHOTO), (16, 16), Augmentation(**IMAGENET), seed % 20
        ),
        40,
    )
    np.testing.assert_array_equal(crops[:20], crops[20:])
    assert len(np.unique(crops[:20], axis=0)) > 15


def test_broken_file_is_an_error_when_it_runs():
    @tf.autograph.experimental.do_not_convert  # as in training
    def crop(file):
        return random_resized_crop(file, (16, 16), Augmentation(**IMAGENET), SEED)

    rubbish = [b"", b"rubbish", b"\xff\xd8\xff\xe0rubbish", b"RIFFrubbish"]
    crops = iter(tf.data.Dataset.from_tensor_slices(rubbish).map(crop))
    for _ in rubbish:
        with pytest.raises(tf.errors.InvalidArgumentError):
            next(crops)
    with pytest.raises(StopIteration):
        next(crops)


@pytest.mark.parametrize("shape", [(8, 8, 4), (2, 8, 8, 3)])
def test_pixels_of_another_kind_give_a_clear_error(shape):
    for wrong in (tf.zeros(shape, tf.uint8), tf.zeros((8, 8, 3))):
        with pytest.raises(ValueError, match="must be a scalar string of encoded bytes, or uint8"):
            random_resized_crop(wrong, (16, 16), WHOLE, SEED)
