"""Images and labels that come as arrays."""

import ml_dtypes
import numpy as np
import pytest

from keras_cabvit.data.array_checks import check_labels, check_not_scaled, check_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float16"])
def test_pixels_in_any_number_format_are_accepted(dtype):
    check_pixels(PIXELS.astype(dtype), "Images")
    check_not_scaled(PIXELS.astype(dtype))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (PIXELS / 255, "none above 1"),
        (PIXELS / 127.5 - 1, "values from -1.0 to 1.0"),
        (PIXELS.astype("uint16") * 257, "values from 0 to 65535"),
        (np.where(PIXELS > 250, np.nan, PIXELS), "values from nan to nan"),
        (PIXELS > 99, "Received: bool"),
        (PIXELS.astype(str), "Received: <U"),
    ],
    ids=range(6),
)
def test_other_ranges_are_refused(images, sentence):
    with pytest.raises(ValueError, match=r"Images must have pixels in \[0, 255\]") as raised:
        check_pixels(images, "Images")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    "images",
    [
        *(PIXELS / 255, PIXELS / 127.5 - 1, np.full((1, 2, 2, 3), 0.5), PIXELS * np.nan),
        *((PIXELS / 255 - 0.45) / 0.22, PIXELS - 117.0, PIXELS * 257),
    ],
)
def test_a_batch_of_scaled_images_is_refused(images):
    with pytest.raises(ValueError, match=r"`images` must have pixels in \[0, 255\]"):
        check_not_scaled(images.astype("float32"))


def test_a_batch_of_dark_or_overshot_images_is_accepted():
    for images in (PIXELS > 99, PIXELS * 0, PIXELS * 1.1 - 9):
        check_not_scaled(images.astype("float32"))
    check_not_scaled((PIXELS > 99).astype("uint8"))


@pytest.mark.parametrize(
    "images",
    [
        *(PIXELS > 99, PIXELS.astype(complex), PIXELS.astype(str), PIXELS.astype(object)),
        (PIXELS / 255).astype(ml_dtypes.bfloat16),
    ],
    ids=["bool", "complex", "text", "object", "bfloat16"],
)
def test_images_of_other_types_are_refused(images):
    with pytest.raises(ValueError, match=r"`images` must have pixels in \[0, 255\]"):
        check_not_scaled(images)


def test_pixels_in_bfloat16_are_accepted():
    check_not_scaled(PIXELS.astype(ml_dtypes.bfloat16))


def test_integers_that_are_not_pixels_are_refused():
    for images in (PIXELS - 117, PIXELS.astype("uint16") * 257):
        with pytest.raises(ValueError, match=r"`images` must have pixels in \[0, 255\]"):
            check_not_scaled(images)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 1, 2, 3], "4 integers, the class of each image from 0 to 2. Received: 0 to 3"),
        ([-1, 0, 1, 2], "Received: -1 to 2"),
        ([0, 1, 2], r"int64 of shape \(3,\)"),
        ([0.0, 1.0, 2.0, 0.0], "Received: float64"),
        (np.eye(4, 3, dtype=int), r"one-hot labels; take their `argmax\(axis=1\)`"),
        (["cat", "dog", "owl", "cat"], "not its name. Received: <U3"),
    ],
    ids=range(6),
)
def test_wrong_labels_are_refused(labels, sentence):
    check_labels(np.array([0, 2, 1, 0]), 4, 3)
    with pytest.raises(ValueError, match=sentence):
        check_labels(np.array(labels), 4, 3)
