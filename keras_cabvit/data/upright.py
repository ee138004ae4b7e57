"""Images of Pillow, the right way up."""

from typing import Any

_ORIENTATION = 0x0112


def turned_upright(image: Any) -> Any:
    """Returns an image of Pillow turned as its metadata say.

    As `ImageOps.exif_transpose` does, which also writes the metadata without the orientation, and
    fails where there is a tag of a wrong type. Such an image is turned all the same, and then has
    no metadata.

    Args:
        image: `PIL.Image.Image`.
    """
    from PIL import Image, ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of many kinds
        turns = (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        )
        turned = image.transpose(turns[image.getexif()[_ORIENTATION] - 2])
        turned.info.clear()
        turned.getexif().clear()
        return turned
