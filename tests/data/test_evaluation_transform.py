import numpy as np
import pytest
from PIL import Image

from keras_cabvit.data import evaluation_pixels


@pytest.mark.every_backend
@pytest.mark.parametrize("size", [(64, 64), (16, 24)])
def test_resizing_is_pillows_antialiased_bicubic(size):
    # Pillow cuts off after each of the two directions what overshoots 0 to 255; nothing does here.
    image = np.random.default_rng(0).integers(64, 192, (40, 48, 3), dtype=np.uint8)

    (resized,) = evaluation_pixels(image[None], size)
    expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
    # Pillow also rounds after each direction, Keras after both.
    assert np.abs(resized.astype(int) - np.asarray(expected)).max() <= 1


def test_grey_images_become_three_equal_channels():
    grey = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)

    pixels = evaluation_pixels(grey, (32, 32))
    assert pixels.shape == (3, 32, 32, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
    np.testing.assert_array_equal(pixels, evaluation_pixels(grey[..., None], (32, 32)))


def test_batch_size_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)

    np.testing.assert_array_equal(
        evaluation_pixels(images, (16, 16), batch_size=2), evaluation_pixels(images, (16, 16))
    )


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 4), "uint8"), np.zeros((8, 8), "uint8")]
)
def test_other_arrays_are_refused_with_a_sentence(images):
    with pytest.raises(ValueError, match="`images` must be uint8 of shape"):
        evaluation_pixels(images, (16, 16))
