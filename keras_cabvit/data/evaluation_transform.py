"""What an image goes through before it is evaluated: one definition for training and exports."""

import numpy as np
from keras import ops


def evaluation_pixels(images, size, batch_size=256):
    """Resizes images to the model's size, and grey ones to red, green and blue.

    Resizing is bicubic with antialiasing, as the published model is evaluated.

    Args:
        images: uint8 array (count, height, width), (count, height, width, 1) or
            (count, height, width, 3).
        size: (height, width) in pixels.
        batch_size: integer, how many images are resized at a time.

    Returns:
        A uint8 array (count, *size, 3), which every form of the model takes.

    Raises:
        ValueError: the images are not uint8 or have another shape.

    Example:
        >>> keras_cabvit.data.evaluation_pixels(np.zeros((2, 28, 28), "uint8"), (64, 64)).shape
        (2, 64, 64, 3)
    """
    images = np.asarray(images)
    grey = images.ndim == 3 or images.shape[-1:] == (1,)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "`images` must be uint8 of shape (count, height, width) or (count, height, width, "
            f"1 or 3). Received: {images.dtype} of shape {images.shape}"
        )
    resized = np.empty((len(images), *size, images.shape[-1]), np.uint8)
    for start in range(0, len(images), batch_size):
        batch = ops.image.resize(
            images[start : start + batch_size].astype("float32"),
            size,
            interpolation="bicubic",
            antialias=True,
            data_format="channels_last",
        )
        # Bicubic interpolation overshoots at edges.
        batch = np.clip(np.rint(ops.convert_to_numpy(batch)), 0, 255)
        resized[start : start + batch_size] = batch
    return np.repeat(resized, 3, axis=-1) if grey else resized
