"""Reading image files and .npz files into memory, to check or calibrate a model."""

import numpy as np

from keras_cabvit.data.file_batches import file_batches, unreadable_reason
from keras_cabvit.data.folders.unreadable import RULE, most_unreadable
from keras_cabvit.paths import local_path

_BATCH = 64


def read_images(files, size, crop):
    """Reads image files with the evaluation transform.

    Args:
        files: list of paths, at least one.
        size: (height, width) in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.

    Returns:
        uint8 array (readable, *size, 3) of the files that can be read; and a dict from the position
        of each of the others in `files` to the reason, a sentence.

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: more files than `most_unreadable` cannot be read, or exceed the limit on pixels;
            the message gives their number and names the first.
    """
    images, unreadable, done = [], {}, 0
    for paths, positions, pixels in file_batches(files, size, crop, _BATCH):
        images.append(pixels)
        for position in sorted({*range(len(paths))} - {*positions.tolist()}):
            unreadable[done + position] = unreadable_reason(paths[position])
        done += len(paths)
    most = most_unreadable(len(files))
    if len(unreadable) > most or len(unreadable) == len(files):
        first, reason = next(iter(unreadable.items()))
        raise ValueError(
            f"{len(unreadable)} of {len(files)} images cannot be read; remove them. At most "
            f"{most} may be left out ({RULE}). The first: {files[first]}: {reason}"
        )
    return np.concatenate(images), unreadable


def unreadable_sentence(files, unreadable):
    """Returns sentences that name the files that were left out, or an empty string.

    Args:
        files: list of paths.
        unreadable: dict, as `read_images` returns it.
    """
    if not unreadable:
        return ""
    names = " ".join(f"{files[position]}: {reason}" for position, reason in unreadable.items())
    were = "was" if len(unreadable) == 1 else "were"
    return f"{len(unreadable)} of {len(files)} images cannot be read and {were} left out. {names}"


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
    path = local_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file at {path}.")
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except MemoryError:
        raise
    except Exception as error:  # the errors of a damaged archive have no common class
        raise ValueError(f"{path} is damaged, or not an .npz file: {error}") from error
    if "images" not in arrays:
        raise ValueError(
            f"{path} must hold an array `images`. It holds: {', '.join(arrays) or 'nothing'}"
        )
    return arrays["images"], arrays.get("labels")
