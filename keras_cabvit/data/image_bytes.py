"""Reading an image file that is in memory, and the reasons for which it cannot be read."""

from keras_cabvit.data.decoding.decode import NO_IMAGE, refusal
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS, image_size, is_image_file
from keras_cabvit.data.evaluation_transform import evaluation_image, tensorflow

# A pixel takes at most 8 bytes in a file: four channels of 16 bits.
_BYTES_PER_PIXEL = 8


def most_bytes(max_megapixels=MAX_MEGAPIXELS):
    """Returns the bytes that a file may have of an image of so many million pixels."""
    return int(_BYTES_PER_PIXEL * 1e6 * max_megapixels)


def length_reason(length, max_megapixels=MAX_MEGAPIXELS):
    """Returns the reason not to read a file of so many bytes, or an empty string."""
    if length == 0:
        return "The file is empty."
    if length > most_bytes(max_megapixels):
        return (
            f"The file has {length / 1e6:,.0f} MB, more than an image of "
            f"{max_megapixels:g} million pixels can have."
        )
    return ""


def bytes_reason(encoded, max_megapixels=MAX_MEGAPIXELS):
    """Returns the reason for which a file that cannot be decoded cannot, a sentence.

    Args:
        encoded: bytes of the file.
        max_megapixels: number; larger images are not decoded. Defaults to 64.
    """
    if reason := length_reason(len(encoded), max_megapixels):
        return reason
    encoded = tensorflow().constant(encoded)
    if not is_image_file(encoded):
        # A HEIC file is named as such.
        return refusal(encoded).numpy().decode() or NO_IMAGE
    height, width = image_size(encoded).numpy().tolist()
    if height * width > 1e6 * max_megapixels:
        return (
            f"The image has {width}x{height} pixels, and at most {max_megapixels:g} million are "
            "decoded."
        )
    return refusal(encoded).numpy().decode() or "The file is damaged or cut short."


def evaluation_image_of(encoded, size, crop, max_megapixels=MAX_MEGAPIXELS):
    """Decodes a file and applies the evaluation transform.

    Args:
        encoded: bytes of the file.
        size: (height, width) of the result in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.
        max_megapixels: number; larger images are not decoded. Defaults to 64.

    Returns:
        A uint8 array (*size, 3).

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: the file cannot be read; the message is the sentence of `cabvit predict`.
    """
    if reason := length_reason(len(encoded), max_megapixels):
        raise ValueError(reason)
    tf = tensorflow()
    with tf.device("CPU"):
        content = tf.constant(encoded)
        pixels = tf.reduce_prod(tf.cast(image_size(content), tf.float64)).numpy()
        # A file whose header states no size could be of any size.
        if not 0 < pixels <= 1e6 * max_megapixels:
            raise ValueError(bytes_reason(encoded, max_megapixels))
        try:
            return evaluation_image(content, size, crop).numpy()
        except tf.errors.OpError as error:
            raise ValueError(bytes_reason(encoded, max_megapixels)) from error
