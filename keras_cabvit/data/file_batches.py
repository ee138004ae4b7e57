"""Batches of any number of image files, decoded while the previous batch is in use."""

import itertools
import os
import stat
from pathlib import Path

from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.data.evaluation_transform import tensorflow
from keras_cabvit.data.folders.folder_entries import list_folder
from keras_cabvit.data.image_bytes import (
    bytes_reason,
    checked_evaluation_image,
    length_reason,
)
from keras_cabvit.paths import local_path

# Batches assembled at the same time, so that the end of one does not leave cores idle.
_BATCHES_AT_A_TIME = 2
_CORES = os.cpu_count() or 1


def file_batches(files, size, crop, batch_size, max_megapixels=MAX_MEGAPIXELS):
    """Reads image files with the evaluation transform, in order.

    Paths are taken from `files` only a few batches ahead, and no file fails another.

    Args:
        files: iterable of paths, of any length.
        size: (height, width) in pixels.
        crop: float, side of the centre crop, see `evaluation_image`.
        batch_size: integer, number of files per batch; the last batch may have fewer.
        max_megapixels: number; larger images are not decoded. Defaults to 64.

    Yields:
        A list of `pathlib.Path`s; the positions in it of the files that were read, integers
        (read,); and their pixels, uint8 (read, *size, 3).

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: a path is an address. An error that `files` raises is raised, too.
    """
    tf = tensorflow()
    batches = _PathBatches(files, batch_size, max_megapixels)

    def read(position, name):
        encoded = tf.io.read_file(name)
        return position, checked_evaluation_image(encoded, size, crop, max_megapixels)

    # AutoGraph would rewrite this function and all that it calls, which takes half of the start.
    @tf.autograph.experimental.do_not_convert
    def batch(names, usable):
        positions = tf.where(usable)[:, 0]
        nothing = tf.zeros((0,), tf.int64), tf.zeros((0, *size, 3), tf.uint8)
        # Files that fail in `read` are skipped. One data set per batch tells which they were.
        return (
            tf.data.Dataset.from_tensor_slices((positions, tf.gather(names, positions)))
            .map(read, num_parallel_calls=_CORES, deterministic=True)
            .ignore_errors()
            .batch(batch_size)
            .concatenate(tf.data.Dataset.from_tensors(nothing))
            .take(1)
            .map(lambda positions, pixels: (names, positions, pixels))
        )

    signature = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None,), tf.bool)
    data = (
        tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
        .interleave(
            batch,
            cycle_length=_BATCHES_AT_A_TIME,
            num_parallel_calls=_BATCHES_AT_A_TIME,
            deterministic=True,
        )
        .prefetch(1)
    )
    for names, positions, pixels in data.as_numpy_iterator():
        yield [Path(os.fsdecode(name)) for name in names], positions, pixels
    if batches.error is not None:
        raise batches.error


class _PathBatches:
    """Batches of paths, as bytes, with whether each may be opened.

    TensorFlow takes them in a thread of its own, and would replace the type of an error.
    """

    def __init__(self, files, batch_size, max_megapixels):
        self._files, self._batch_size, self._limit = iter(files), batch_size, max_megapixels
        self.error = None

    def __iter__(self):
        while paths := self._next():
            names = [os.fsencode(path) for path in paths]
            yield names, [not obstacle(path, self._limit) for path in paths]

    def _next(self):
        paths = []
        try:
            for file in itertools.islice(self._files, self._batch_size):
                paths.append(local_path(file, "files"))
        except Exception as error:
            self.error, self._files = error, iter(())
        return paths


def unreadable_reason(path, max_megapixels=MAX_MEGAPIXELS):
    """Returns a sentence on the reason for which `file_batches` did not read a file.

    Args:
        path: path of the file.
        max_megapixels: number, as given to `file_batches`. Defaults to 64.
    """
    if reason := obstacle(path, max_megapixels):
        return reason
    try:
        encoded = Path(path).read_bytes()
    except OSError as error:
        return f"The file cannot be read: {error.strerror}."
    return bytes_reason(encoded, max_megapixels)


def obstacle(path, max_megapixels):
    """Returns the reason not to open what is at a path, or an empty string.

    Args:
        path: path on this computer.
        max_megapixels: number, as given to `file_batches`.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            list_folder(path)
            return "This is a folder, not a file."
    except FileNotFoundError:
        return "There is no such file."
    except OSError as error:
        return f"The file cannot be read: {error.strerror}."
    except ValueError as error:  # a folder that cannot be listed, a null byte in the name
        return str(error)
    if not stat.S_ISREG(status.st_mode):
        return "This is a device, a pipe or a socket, not a file."
    return length_reason(status.st_size, max_megapixels)
