"""Images of Pillow, the right way up."""

from typing import Any

# Where Pillow keeps EXIF and XMP.
_METADATA = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")


def turned_upright(image: Any) -> Any:
    """Turns an image of Pillow as its metadata say, and returns it.

    `ImageOps.exif_transpose` turns it first and then writes the metadata without the orientation,
    which fails where there is a tag of a wrong type. Such an image then has neither EXIF nor XMP.

    Args:
        image: `PIL.Image.Image`, which is changed.
    """
    from PIL import ImageOps

    image.load()  # a file that is cut short fails here, and says so
    image.getexif()  # and EXIF that cannot be read here
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # of many kinds
        for name in _METADATA:
            image.info.pop(name, None)
        image.getexif().clear()
    return image
