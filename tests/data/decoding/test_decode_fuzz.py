"""Many made and damaged files, each read as Pillow reads it or refused."""

import contextlib
import io
import warnings

import numpy as np
import pytest
import tensorflow as tf
from corpus import corpus
from PIL import Image, ImageOps

from keras_cabvit.data import decode_rgb
from keras_cabvit.data.decoding.image_header import image_size

# Damage may state any size; readers refuse large ones by the header.
MOST_PIXELS = 1_000_000


def by_pillow(file):
    """Returns the pixels, or None if Pillow raises any error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(file))
            if np.prod(image.size) > MOST_PIXELS:
                return None
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except Exception:  # Pillow promises no kinds of errors
            return None


def is_cmyk(file):
    return Image.open(io.BytesIO(file)).mode == "CMYK"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_files_are_read_as_by_pillow_or_refused():
    decode = tf.function(
        decode_rgb, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
    )
    stated_size = tf.function(
        image_size, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
    )
    valid, read, different = 0, 0, []
    for number, (form, file, damage) in enumerate(corpus(600, seed=0)):
        expected, found = by_pillow(file), None
        if 0 < np.prod(stated_size(file)) <= MOST_PIXELS:
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                found = decode(file).numpy()
        valid += damage == "" and expected is not None
        read += damage == "" and expected is not None and found is not None
        if expected is not None and found is not None:
            apart = 255
            if expected.shape == found.shape:
                apart = np.abs(expected.astype(int) - found).max()
            if apart > (form == "JPEG" and is_cmyk(file)):
                different.append((number, form, damage))
    assert valid > 300
    assert read >= 0.95 * valid
    assert different == []
