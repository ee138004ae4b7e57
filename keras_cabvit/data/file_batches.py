"""Batches of any number of image files, decoded while the previous batch is in use."""

import collections
import concurrent.futures
import itertools
import os
import stat
from pathlib import Path

import numpy as np

from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.data.folders.folder_entries import list_folder
from keras_cabvit.data.image_bytes import bytes_reason, image_reader, length_reason
from keras_cabvit.paths import local_path

# Batches read before they are asked for: the end of one does not leave cores idle.
_BATCHES_AHEAD = 2
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
    read = image_reader(tuple(size), crop, max_megapixels)
    batches = _PathBatches(files, batch_size)
    # Threads that call one compiled function: a graph of `tf.data` would be compiled anew in every
    # call of `file_batches`, which takes two seconds.
    pool = concurrent.futures.ThreadPoolExecutor(_CORES)

    def pixels(path):
        if obstacle(path, max_megapixels):
            return None
        try:
            return read(path.read_bytes())
        except OSError:
            return None

    try:
        ahead = collections.deque()
        for paths in batches:
            ahead.append((paths, [pool.submit(pixels, path) for path in paths]))
            if len(ahead) > _BATCHES_AHEAD:
                yield _read_batch(*ahead.popleft(), size)
        while ahead:
            yield _read_batch(*ahead.popleft(), size)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if batches.error is not None:
        raise batches.error


def _read_batch(paths, reading, size):
    """Waits for the images of a batch, and returns what `file_batches` yields."""
    images = [future.result() for future in reading]
    positions = [position for position, image in enumerate(images) if image is not None]
    pixels = np.empty((len(positions), *size, 3), np.uint8)
    for row, position in enumerate(positions):
        pixels[row] = images[position]
    return paths, np.array(positions, int), pixels


class _PathBatches:
    """Batches of paths, up to an error of what they are taken from, which is kept for later."""

    def __init__(self, files, batch_size):
        self._files, self._batch_size = iter(files), batch_size
        self.error = None

    def __iter__(self):
        while paths := self._next():
            yield paths

    def _next(self):
        paths = []
        try:
            for file in itertools.islice(self._files, self._batch_size):
                # What a folder is found to contain may begin with ~, and is no home folder.
                found = os.path.lexists(file)
                paths.append(Path(file) if found else local_path(file, "files"))
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
