"""The evaluation transform, defined once: for training, servers, calibration and comparisons.

TensorFlow computes it on every backend, in a graph or eagerly, so that an image becomes the same
pixels everywhere.
"""

import numpy as np

from keras_cabvit.data.crops import check_crop
from keras_cabvit.data.decoding.decode import decode_rgb
from keras_cabvit.gpu import leave_gpus_to_the_backend

# Values per channel between the two steps of resizing above which columns go first: 256 MiB of
# float32 per channel, which with 224 rows no image of fewer than 299,594 columns reaches.
_MOST_BETWEEN = 2**26
# Pixels of a side above which positions in float32 are too coarse for interpolation.
_LONGEST_SIDE = 2**16


def evaluation_image(image, size, crop=1.0):
    """Resizes one image as the published model is evaluated: bicubic with antialiasing.

    With a `crop` below 1 the image is resized, keeping its aspect ratio, until it just covers
    `size / crop`, and the centre is cut out, as in torchvision and timm. With `crop` 1 the whole
    image is resized to `size`, regardless of its aspect ratio.

    Args:
        image: scalar string tensor, the bytes of a JPEG, PNG, WebP, GIF or BMP file; or uint8
            pixels (height, width), (height, width, 1) or (height, width, 3).
        size: (height, width) of the result in pixels.
        crop: float above 0 and at most 1, side of the centre crop as a share of the image. The
            authors use 224/256. Defaults to 1.

    Returns:
        A uint8 tensor (*size, 3).

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: `crop` is out of range, or `image` is neither of these.
        tf.errors.InvalidArgumentError: when the graph runs, if the bytes are not an image.

    Example:
        >>> image = np.zeros((375, 500, 3), "uint8")
        >>> keras_cabvit.data.evaluation_image(image, (224, 224), crop=0.875).shape
        TensorShape([224, 224, 3])
    """
    tf = tensorflow()
    check_crop(crop)
    image = tf.convert_to_tensor(image)
    if image.dtype == tf.string and image.shape.rank == 0:
        image = decode_rgb(image)
    elif image.dtype == tf.uint8 and image.shape.rank == 2:
        image = image[..., None]
    elif image.dtype != tf.uint8 or image.shape.rank != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            "`image` must be the bytes of an image file, or uint8 of shape (height, width) or "
            f"(height, width, 1 or 3). Received: {image.dtype.name} of shape {image.shape}"
        )
    return _evaluation_batch(image[None], size, crop)[0]


def evaluation_pixels(images, size, batch_size=256):
    """Applies `evaluation_image`, without a crop, to an array of images of one size.

    Args:
        images: uint8 array (count, height, width), (count, height, width, 1) or
            (count, height, width, 3).
        size: (height, width) in pixels.
        batch_size: integer, number of images resized at a time. Defaults to 256.

    Returns:
        A uint8 array (count, *size, 3), the input of every form of the model.

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: the images are not uint8 or have another shape, or `batch_size` is below 1.

    Example:
        >>> keras_cabvit.data.evaluation_pixels(np.zeros((2, 28, 28), "uint8"), (64, 64)).shape
        (2, 64, 64, 3)
    """
    tf = tensorflow()
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "`images` must be uint8 of shape (count, height, width) or (count, height, width, "
            f"1 or 3). Received: {images.dtype} of shape {images.shape}"
        )
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    pixels = np.empty((len(images), *size, 3), np.uint8)
    with tf.device("CPU"):
        for start in range(0, len(images), batch_size):
            batch = tf.constant(images[start : start + batch_size])
            pixels[start : start + batch_size] = _evaluation_batch(batch, size, crop=1.0)
    return pixels


def tensorflow():
    """Imports TensorFlow for images, off the GPUs if Keras runs on another backend.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        import tensorflow
    except ImportError as error:
        raise ImportError(
            'Reading images needs TensorFlow: pip install "keras-cabvit[tensorflow]". '
            "It can be installed beside the backend that you train with."
        ) from error
    leave_gpus_to_the_backend()
    return tensorflow


def _evaluation_batch(images, size, crop):
    """Transforms uint8 (count, height, width, 1 or 3) to uint8 (count, *size, 3)."""
    import tensorflow as tf

    # A very long image that covers the size may have more than 2**31 columns.
    shape = tf.cast(tf.shape(images)[1:3], tf.int64)
    whole = tf.constant(size, tf.int64) if crop == 1 else _covering(shape, size, crop)
    # Half a pixel is rounded to even, as by Python's round in torchvision.
    corner = tf.round(tf.cast(whole - size, tf.float64) / 2)
    scale = tf.cast(whole, tf.float64) / tf.cast(shape, tf.float64)
    images, corner = tf.cond(
        tf.reduce_max(shape) > _LONGEST_SIDE,
        lambda: _around_the_crop(images, size, scale, corner),
        lambda: (images, corner),
    )
    corner, scale = tf.cast(corner, tf.float32), tf.cast(scale, tf.float32)
    # The operation resizes rows first, and between the steps has all columns of the image: of an
    # image of one row and millions of columns, gigabytes.
    rows, columns = tf.unstack(tf.cast(tf.shape(images)[1:3], tf.int64))
    is_strip = (rows < size[0]) & (columns * size[0] > _MOST_BETWEEN)
    resized = tf.cond(
        is_strip,
        lambda: _columns_first(images, size, scale, -corner),
        lambda: _scaled(images, size, scale, -corner),
    )
    # Bicubic interpolation overshoots at edges.
    pixels = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
    if pixels.shape[-1] == 1:
        pixels = tf.repeat(pixels, 3, axis=-1)
    return tf.ensure_shape(pixels, (None, *size, 3))


def _around_the_crop(images, size, scale, corner):
    """Cuts off what is too far from the crop to influence it.

    Returns:
        The pixels that are left, and the crop's upper left corner after they are resized.
    """
    import tensorflow as tf

    shape = tf.shape(images)[1:3]
    reach = 2 / tf.minimum(scale, 1) + 2  # that of a bicubic kernel with antialiasing, and rounding
    first = tf.cast(tf.floor(corner / scale - reach), tf.int32)
    end = tf.cast(tf.math.ceil((corner + size) / scale + reach), tf.int32)
    first, end = tf.maximum(first, 0), tf.minimum(end, shape)
    images = images[:, first[0] : end[0], first[1] : end[1]]
    return images, corner - tf.cast(first, tf.float64) * scale


def _scaled(images, size, scale, translation):
    """Resizes and moves images as `tf.image.resize`, but computes nothing outside the crop."""
    import tensorflow as tf

    return tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=size,
        scale=scale,
        translation=translation,
        kernel_type="keyscubic",
        antialias=True,
    )


def _columns_first(images, size, scale, translation):
    """Does the same with the columns resized before the rows."""
    import tensorflow as tf

    rows = tf.shape(images)[1]
    narrow = _scaled(
        images,
        tf.stack([rows, size[1]]),
        tf.stack([1.0, scale[1]]),
        tf.stack([0.0, translation[1]]),
    )
    return _scaled(narrow, size, tf.stack([scale[0], 1.0]), tf.stack([translation[0], 0.0]))


def _covering(shape, size, crop):
    """Returns the height and width at which an image of this shape just covers `size / crop`."""
    import tensorflow as tf

    # 224 / 0.875 must not become 255 through a rounding error.
    height, width = (int(side / crop + 1e-6) for side in size)
    rows, columns = tf.unstack(shape)
    return tf.where(
        rows * width >= columns * height,
        tf.stack([rows * width // columns, width]),
        tf.stack([height, columns * height // rows]),
    )
