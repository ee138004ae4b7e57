"""Reading an image file that is in memory, and the reasons for which it cannot be read."""

import functools
import math

from keras_cabvit.data.decoding.decode import NO_IMAGE, refusal
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS, image_size, is_image_file
from keras_cabvit.data.evaluation_transform import evaluation_image, tensorflow

# A pixel takes at most 8 bytes in a file: four channels of 16 bits.
_BYTES_PER_PIXEL = 8


def check_max_megapixels(max_megapixels):
    """Raises a ValueError if a limit of megapixels is not above 0. Infinity stands for no limit."""
    if not max_megapixels > 0:  # nor is NaN
        raise ValueError(
            f"`max_megapixels` must be above 0. Received: max_megapixels={max_megapixels}"
        )


def most_bytes(max_megapixels=MAX_MEGAPIXELS):
    """Returns the bytes that a file may have of an image of so many million pixels.

    An integer, or infinity, if the limit is.
    """
    most = _BYTES_PER_PIXEL * 1e6 * max_megapixels
    return most if math.isinf(most) else int(most)


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
    """Returns a sentence on why a file could not be decoded.

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
    if not length_reason(len(encoded), max_megapixels):
        pixels = image_reader(tuple(size), crop, max_megapixels)(encoded)
        if pixels is not None:
            return pixels
    raise ValueError(bytes_reason(encoded, max_megapixels))


# One after the other, the operations take more than ten times as long as in a graph.
@functools.lru_cache(maxsize=8)
def image_reader(size, crop, max_megapixels=MAX_MEGAPIXELS):
    """Returns a function that reads one file, compiled, for any number of threads.

    It takes bytes, and returns a uint8 array (*size, 3), or None if they cannot be read.

    Args:
        size: tuple, (height, width) of the result in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.
        max_megapixels: number; larger images are not decoded. Defaults to 64.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    tf = tensorflow()

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def graph(encoded):
        return checked_evaluation_image(encoded, size, crop, max_megapixels)

    def read(encoded):
        with tf.device("CPU"):
            try:
                return graph(tf.constant(encoded)).numpy()
            except tf.errors.OpError:
                return None

    # Compiles the graph, which every thread would otherwise do at its first file.
    read(tf.io.encode_png(tf.zeros((1, 1, 3), tf.uint8)).numpy())
    return read


def checked_evaluation_image(encoded, size, crop, max_megapixels=MAX_MEGAPIXELS):
    """Applies the evaluation transform to a file unless its image is too large, in a graph.

    Args:
        encoded: scalar string tensor, the content of a file.
        size: (height, width) of the result in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.
        max_megapixels: number; larger images are not decoded. Defaults to 64.

    Returns:
        A uint8 tensor (*size, 3).

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file cannot be read.
    """
    tf = tensorflow()
    pixels = tf.reduce_prod(tf.cast(image_size(encoded), tf.float64))
    # A file whose header states no size could be of any size.
    decodable = (pixels > 0) & (pixels <= 1e6 * max_megapixels)
    with tf.control_dependencies([tf.debugging.Assert(decodable, [pixels])]):
        return evaluation_image(tf.identity(encoded), size, crop)
