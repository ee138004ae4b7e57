"""Images of Pillow, the right way up."""

from typing import Any

_ORIENTATION = 0x0112
# Where Pillow keeps EXIF and XMP.
_METADATA = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")


def turned_upright(image: Any) -> Any:
    """Returns an image of Pillow turned as its metadata say.

    As `ImageOps.exif_transpose` does, which also writes the metadata without the orientation, and
    fails where there is a tag of a wrong type. Such an image is turned all the same, and then has
    neither EXIF nor XMP.

    Args:
        image: `PIL.Image.Image`.
    """
    from PIL import Image, ImageOps

    image.load()  # a file that is cut short fails here, and says so
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of many kinds
        orientation = image.getexif().get(_ORIENTATION)
        if orientation not in range(2, 9):
            raise
        turns = (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        )
        turned = image.transpose(turns[orientation - 2])
        for name in _METADATA:
            turned.info.pop(name, None)
        turned.getexif().clear()
        return turned
