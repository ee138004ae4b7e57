import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cabvit.data import evaluation_image, evaluation_pixels


def picture(height, width):
    """Returns uint8 (height, width, 3), away from the values that Pillow would cut off."""
    generator = np.random.default_rng(height * width)
    return generator.integers(64, 192, (height, width, 3), dtype=np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("shape", "size", "resized"),
    [
        # What torchvision resizes to: the shorter side to size / crop, the other one rounded down.
        ((40, 60), (28, 28), (32, 48)),
        ((61, 40), (28, 28), (48, 32)),
        ((20, 30), (28, 28), (32, 48)),
        ((50, 50), (28, 28), (32, 32)),
        ((40, 60), (14, 42), (32, 48)),
        ((60, 40), (28, 14), (32, 21)),
    ],
)
def test_the_centre_is_cut_out_of_pillows_antialiased_bicubic(shape, size, resized):
    image = picture(*shape)
    (height, width), (rows, columns) = size, resized

    result = evaluation_image(png(image), size, crop=0.875).numpy()
    whole = Image.fromarray(image).resize((columns, rows), Image.Resampling.BICUBIC)
    top, left = round((rows - height) / 2), round((columns - width) / 2)
    expected = np.asarray(whole)[top : top + height, left : left + width]
    # Pillow also rounds after each direction.
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_the_authors_crop_of_224_is_cut_out_of_256():
    image = np.zeros((256, 300, 3), np.uint8)
    image[16:240, 38:262] = 255

    assert evaluation_image(image, (224, 224), crop=0.875).numpy().min() == 255


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60, 1), (40, 60)])
def test_without_a_crop_it_is_evaluation_pixels(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    (expected,) = evaluation_pixels(image[None], (24, 16))
    np.testing.assert_array_equal(evaluation_image(image, (24, 16)), expected)


def test_shapes_are_known_in_a_data_set():
    files = tf.data.Dataset.from_tensor_slices([png(picture(40, 60)), png(picture(30, 20)[..., 0])])

    images = files.map(lambda file: evaluation_image(file, (16, 16), 0.875)).batch(2)
    assert images.element_spec == tf.TensorSpec((None, 16, 16, 3), tf.uint8)
    (batch,) = images
    np.testing.assert_array_equal(batch[1, ..., 0], batch[1, ..., 2])


@pytest.mark.parametrize("crop", [0, -1, 1.1])
def test_a_crop_out_of_range_is_a_sentence(crop):
    with pytest.raises(
        ValueError, match=f"`crop` must be above 0 and at most 1. Received: crop={crop}"
    ):
        evaluation_image(picture(8, 8), (8, 8), crop)


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3)), np.zeros((8, 8, 4), "uint8"), [b"a", b"b"]])
def test_other_arrays_are_refused_with_a_sentence(image):
    with pytest.raises(ValueError, match="`image` must be the bytes of an image file, or uint8"):
        evaluation_image(image, (8, 8))
