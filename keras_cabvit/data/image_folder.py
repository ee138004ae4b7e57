"""Reads a folder of images whole, to check a model with."""

from pathlib import Path

import numpy as np

from keras_cabvit.data.evaluation_image import evaluation_image
from keras_cabvit.data.image_header import MAX_MEGAPIXELS, image_size

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def image_files(folder):
    """Returns the image files in a folder, at any depth, sorted.

    Args:
        folder: path.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there are no image files in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder of images at {folder}.")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"There are no images in {folder}: files ending in {', '.join(SUFFIXES)}.")
    return files


def read_images(files, size, crop):
    """Reads image files as evaluation does.

    Args:
        files: list of paths.
        size: (height, width) in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.

    Returns:
        uint8 array (count, *size, 3).

    Raises:
        ValueError: files cannot be read, or have more pixels than are decoded; the message says
            how many and names the first.
    """
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def read(encoded):
        return evaluation_image(encoded, size, crop)

    stated_size = tf.function(image_size, input_signature=[tf.TensorSpec((), tf.string)])
    images, unreadable = [], []
    for file in files:
        try:
            encoded = file.read_bytes()
            height, width = stated_size(encoded).numpy().tolist()
            if height * width > 1e6 * MAX_MEGAPIXELS:
                raise ValueError(
                    f"{width}x{height} pixels; at most {MAX_MEGAPIXELS} million are decoded"
                )
            if not height * width:
                raise ValueError("no image, or cut short")
            images.append(read(encoded).numpy())
        except tf.errors.InvalidArgumentError:
            unreadable.append(f"{file} (damaged, or cut short)")
        except (OSError, ValueError) as error:
            unreadable.append(f"{file} ({error})")
    if unreadable:
        raise ValueError(
            f"{len(unreadable)} of {len(files)} images cannot be read; take them out. The first: "
            f"{unreadable[0]}"
        )
    return np.stack(images)


def labels_by_folder(files, folder):
    """Returns the classes of image files that stand in a folder for each class.

    Args:
        files: list of paths below `folder`.
        folder: path.

    Returns:
        Integers (count,), places in the sorted names of the classes, and these names; or None and
        an empty list where the files stand in `folder` itself.
    """
    names = [file.relative_to(folder).parts[0] for file in files]
    if any(Path(folder, name).is_file() for name in names):
        return None, []
    classes = sorted(set(names))
    return np.array([classes.index(name) for name in names]), classes
