import io

import numpy as np
import pytest
from odd_exif import odd_exif
from PIL import Image, ImageOps

from keras_cabvit.data.upright import turned_upright

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 14, 3), "uint8")


def opened(exif):
    """Returns a photograph with EXIF, from a file."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", exif=exif)
    return Image.open(file)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_turned_although_its_metadata_cannot_be_written(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(opened(exif)))

    for each in (exif, odd_exif(orientation)):
        turned = turned_upright(opened(each))
        np.testing.assert_array_equal(np.asarray(turned), expected)
        assert turned.getexif().get(0x0112, 1) == 1


def test_file_that_is_cut_short_gives_pillows_reason():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "TIFF")
    with pytest.raises(OSError, match="truncated"):
        turned_upright(Image.open(io.BytesIO(file.getvalue()[:-100])))


def test_colour_profile_stays():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", exif=odd_exif(6), icc_profile=b"profile")
    assert turned_upright(Image.open(file)).info["icc_profile"] == b"profile"
