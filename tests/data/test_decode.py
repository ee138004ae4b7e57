import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cabvit.data import decode_rgb

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
RGB = Image.fromarray(PIXELS[..., :3])
RGBA = Image.fromarray(PIXELS)
GREY = Image.fromarray(PIXELS[..., 0])
GREY_ALPHA = Image.fromarray(PIXELS[..., :2])
NEGATIVE = Image.fromarray(255 - PIXELS[..., :3])


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def animated(*frames, form, **options):
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)


FILES = {
    "JPEG": encoded(RGB, "JPEG"),
    "JPEG, fine colours": encoded(RGB, "JPEG", subsampling=0, quality=95),
    "JPEG, progressive": encoded(RGB, "JPEG", progressive=True),
    "JPEG, grey": encoded(GREY, "JPEG"),
    "JPEG, CMYK": encoded(RGB.convert("CMYK"), "JPEG"),
    "PNG": encoded(RGB, "PNG"),
    "PNG, grey": encoded(GREY, "PNG"),
    "PNG, one bit": encoded(GREY.convert("1"), "PNG"),
    "PNG, alpha": encoded(RGBA, "PNG"),
    "PNG, grey with alpha": encoded(GREY_ALPHA, "PNG"),
    "PNG, palette": encoded(RGB.convert("P"), "PNG"),
    "WebP": encoded(RGB, "WEBP"),
    "WebP, lossless": encoded(RGB, "WEBP", lossless=True),
    "WebP, alpha": encoded(RGBA, "WEBP", exact=True),
    "WebP, lossless with alpha": encoded(RGBA, "WEBP", lossless=True, exact=True),
    "WebP, animated": animated(RGB, NEGATIVE, form="WEBP", lossless=True),
    "WebP, animated with alpha": animated(RGBA, RGBA, form="WEBP", lossless=True, exact=True),
    "GIF": encoded(RGB.convert("P"), "GIF"),
    "GIF, animated": animated(RGB.convert("P"), NEGATIVE.convert("P"), form="GIF"),
    "BMP": encoded(RGB, "BMP"),
    "BMP, alpha": encoded(RGBA, "BMP"),
    "BMP, grey": encoded(GREY, "BMP"),
    "BMP, palette": encoded(RGB.convert("P"), "BMP"),
    "BMP, small palette": encoded(RGB.quantize(16), "BMP"),
}

decode = tf.function(decode_rgb, input_signature=[tf.TensorSpec((), tf.string)])


@pytest.mark.parametrize("kind", FILES)
def test_files_are_decoded_as_pillow_does(kind):
    pixels = decode(FILES[kind]).numpy()

    expected = np.asarray(Image.open(io.BytesIO(FILES[kind])).convert("RGB"))
    np.testing.assert_array_equal(pixels, expected)


def test_16_bit_pixels_keep_their_upper_eight_bits():
    # Pillow clips values above 255 instead.
    deep = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256 + 77)

    pixels = decode(encoded(deep, "PNG")).numpy()
    np.testing.assert_array_equal(pixels, np.repeat(PIXELS[..., :1], 3, axis=-1))


@pytest.mark.parametrize("length", [0, 1, 11, 25, -100, -5])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "WebP, animated", "GIF", "BMP, palette"])
def test_truncated_files_raise_an_error(kind, length):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(FILES[kind][:length])


@pytest.mark.parametrize("content", [b"text", b"<svg/>", b"RIFF1234WAVE" + b"\0" * 40, b"BM" * 40])
def test_other_files_raise_an_error(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(content)
