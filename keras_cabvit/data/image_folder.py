"""Reading image files and .npz files into memory, to check or calibrate a model."""

import zipfile
from pathlib import Path

import numpy as np

from keras_cabvit.data.decode import refusal
from keras_cabvit.data.evaluation_transform import evaluation_image, tensorflow
from keras_cabvit.data.image_header import MAX_MEGAPIXELS, image_size

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def image_files(folder):
    """Returns the image files in a folder, at any depth, sorted.

    Args:
        folder: path of the folder.

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
    """Reads image files with the evaluation transform.

    Args:
        files: list of paths.
        size: (height, width) in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.

    Returns:
        uint8 array (count, *size, 3).

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: files cannot be read, or exceed the limit on pixels; the message gives their
            number and names the first.
    """
    tf = tensorflow()

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
                raise ValueError("not an image, or cut short")
            images.append(read(encoded).numpy())
        except tf.errors.InvalidArgumentError:
            reason = refusal(encoded).numpy().decode() or "damaged, or cut short"
            unreadable.append(f"{file} ({reason})")
        except (OSError, ValueError) as error:
            unreadable.append(f"{file} ({error})")
    if unreadable:
        raise ValueError(
            f"{len(unreadable)} of {len(files)} images cannot be read; remove them. The first: "
            f"{unreadable[0]}"
        )
    return np.stack(images)


def labels_by_folder(files, folder):
    """Returns the classes of image files that are in one folder per class.

    Args:
        files: list of paths below `folder`.
        folder: path.

    Returns:
        Integers (count,), indices into the sorted class names, and these names; or None
        and an empty list if the files are in `folder` itself.
    """
    names = [file.relative_to(folder).parts[0] for file in files]
    if any(Path(folder, name).is_file() for name in names):
        return None, []
    classes = sorted(set(names))
    return np.array([classes.index(name) for name in names]), classes


def read_npz(path):
    """Reads images, and labels if there are any, from an .npz file.

    Args:
        path: path of the file.

    Returns:
        The arrays `images` and `labels`; None instead of missing labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or has no array `images`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file at {path}.")
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except (TypeError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged, or not an .npz file: {error}") from error
    if "images" not in arrays:
        raise ValueError(
            f"{path} must hold an array `images`. It holds: {', '.join(arrays) or 'nothing'}"
        )
    return arrays["images"], arrays.get("labels")
