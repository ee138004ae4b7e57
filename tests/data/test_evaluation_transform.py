import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from huge_image import peak_growth
from PIL import Image

from keras_cabvit.data import evaluation_image, evaluation_pixels
from keras_cabvit.data.image_files import read_images


def picture(height, width):
    """Returns uint8 (height, width, 3), away from values that Pillow would clip."""
    generator = np.random.default_rng(height * width)
    return generator.integers(64, 192, (height, width, 3), dtype=np.uint8)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("shape", "size", "resized"),
    [
        # As in torchvision: the shorter side is resized to size / crop, the other rounded down.
        ((40, 60), (28, 28), (32, 48)),
        ((61, 40), (28, 28), (48, 32)),
        ((20, 30), (28, 28), (32, 48)),
        ((50, 50), (28, 28), (32, 32)),
        ((40, 60), (14, 42), (32, 48)),
        ((60, 40), (28, 14), (32, 21)),
    ],
)
def test_crop_is_the_centre_of_pillows_antialiased_bicubic_resize(shape, size, resized):
    image = picture(*shape)
    (height, width), (rows, columns) = size, resized

    result = evaluation_image(png(image), size, crop=0.875).numpy()
    whole = Image.fromarray(image).resize((columns, rows), Image.Resampling.BICUBIC)
    top, left = round((rows - height) / 2), round((columns - width) / 2)
    expected = np.asarray(whole)[top : top + height, left : left + width]
    # Pillow also rounds after each direction.
    assert np.abs(result.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("crop", [0.875, 1.0])
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_row_of_millions_of_pixels_takes_little_memory(crop):
    row = np.tile(noise(1000), 4_000)[None]  # 4 MB

    # 224 rows of all columns would be 3.6 GB of float32.
    assert peak_growth(lambda: evaluation_image(row, (224, 224), crop)) < 500e6


@pytest.mark.parametrize("shape", [(1, 400_000, 1), (3, 400_000, 3)])
def test_strip_is_resized_as_pillow_does(shape):
    strip = picture(10, 400_000)[: shape[0], :, : shape[2]]

    result = evaluation_image(strip, (224, 224)).numpy()
    image = Image.fromarray(strip.squeeze(-1) if shape[2] == 1 else strip)
    expected = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_crop_of_a_strip_is_interpolated_at_the_right_places():
    """In float32 they would be half a pixel off."""
    columns = 4_000_001
    strip = np.resize(noise(1, 1_000_003, 3), (1, columns, 3))

    result = evaluation_image(strip, (224, 224), crop=0.875).numpy()
    # Covers 256 rows. The kernel of bicubic interpolation, with -0.5 (Keys 1981).
    left = (columns * 256 - 224) // 2
    places = (left + np.arange(224) + 0.5) / 256 - 0.5
    near = np.floor(places).astype(int)[:, None] + np.arange(-1, 3)
    x = abs(places[:, None] - near)
    kernel = np.where(x < 1, (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)
    expected = np.einsum("on,onc->oc", kernel, strip[0, near]).round().clip(0, 255)
    assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (16, 24)])
def test_array_is_resized_as_pillow_does(size):
    # Pillow clips to 0 to 255 after each of the two directions; nothing overshoots here.
    image = picture(40, 48)

    (resized,) = evaluation_pixels(image[None], size)
    expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
    assert np.abs(resized.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.torch_too
@pytest.mark.parametrize(
    ("shape", "size"), [((28, 28, 1), (64, 64)), ((60, 40, 3), (32, 48)), ((75, 100, 3), (64, 64))]
)
def test_pixels_are_bit_equal_to_tensorflows_resize(shape, size):
    images = noise(3, *shape)

    resized = tf.image.resize(images, size, method="bicubic", antialias=True)
    expected = np.clip(np.rint(resized.numpy()), 0, 255).astype("uint8")
    found = evaluation_pixels(images, size)
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60, 1), (40, 60)])
def test_single_image_and_array_give_the_same_pixels(shape):
    image = noise(*shape)

    (expected,) = evaluation_pixels(image[None], (24, 16))
    np.testing.assert_array_equal(evaluation_image(image, (24, 16)), expected)


def test_data_set_graph_gives_the_same_pixels_and_known_shapes():
    pictures = [picture(40, 60), np.repeat(picture(30, 20)[..., :1], 3, axis=-1)]
    files = tf.data.Dataset.from_tensor_slices([png(pictures[0]), png(pictures[1][..., 0])])

    images = files.map(lambda file: evaluation_image(file, (16, 16), 0.875)).batch(2)
    assert images.element_spec == tf.TensorSpec((None, 16, 16, 3), tf.uint8)
    (batch,) = images
    expected = [evaluation_image(image, (16, 16), 0.875) for image in pictures]
    np.testing.assert_array_equal(batch, expected)


def test_authors_crop_is_224_of_256():
    image = np.zeros((256, 300, 3), np.uint8)
    image[16:240, 38:262] = 255

    assert evaluation_image(image, (224, 224), crop=0.875).numpy().min() == 255


def test_grey_images_become_three_equal_channels():
    grey = noise(3, 28, 28)

    pixels = evaluation_pixels(grey, (32, 32))
    assert pixels.shape == (3, 32, 32, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
    np.testing.assert_array_equal(pixels, evaluation_pixels(grey[..., None], (32, 32)))


def test_batch_size_does_not_change_the_pixels():
    images = noise(5, 8, 8, 3)

    np.testing.assert_array_equal(
        evaluation_pixels(images, (16, 16), batch_size=2), evaluation_pixels(images, (16, 16))
    )


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_below_1_gives_a_clear_error(batch_size):
    with pytest.raises(
        ValueError, match=f"`batch_size` must be at least 1.*batch_size={batch_size}"
    ):
        evaluation_pixels(noise(1, 8, 8), (16, 16), batch_size)


@pytest.mark.parametrize(
    "transform",
    [
        lambda folder: evaluation_pixels(noise(1, 8, 8, 3), (8, 8)),
        lambda folder: evaluation_image(noise(8, 8, 3), (8, 8)),
        lambda folder: read_images([folder / "image.png"], (8, 8), 1.0),
    ],
)
def test_without_tensorflow_the_error_gives_the_command(transform, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r'pip install "keras-cabvit\[tensorflow\]"'):
        transform(tmp_path)


@pytest.mark.parametrize("crop", [0, -1, 1.1])
def test_crop_out_of_range_gives_a_clear_error(crop):
    with pytest.raises(
        ValueError, match=f"`crop` must be above 0 and at most 1. Received: crop={crop}"
    ):
        evaluation_image(picture(8, 8), (8, 8), crop)


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3)), np.zeros((8, 8, 4), "uint8"), [b"a", b"b"]])
def test_unsuitable_image_gives_a_clear_error(image):
    with pytest.raises(ValueError, match="`image` must be the bytes of an image file, or uint8"):
        evaluation_image(image, (8, 8))


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 4), "uint8"), np.zeros((8, 8), "uint8")]
)
def test_unsuitable_array_gives_a_clear_error(images):
    with pytest.raises(ValueError, match="`images` must be uint8 of shape"):
        evaluation_pixels(images, (16, 16))
