"""Reading and decoding of image files on the workers."""

import math
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io.fileio import ReadableFile
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from keras_cabvit.beam.rows import UnreadableFile
from keras_cabvit.data.decoding.image_header import MAX_MEGAPIXELS
from keras_cabvit.data.evaluation_transform import tensorflow
from keras_cabvit.data.file_batches import obstacle
from keras_cabvit.data.image_bytes import (
    check_max_megapixels,
    evaluation_image_of,
    length_reason,
    most_bytes,
)

UNREADABLE = "unreadable"
# Statuses of an object that is not there, or that the worker may not read. Others may pass.
_REFUSED = (401, 403, 404)


class DecodeFiles(beam.DoFn):
    """Reads image files and applies the evaluation transform, for `beam.ParDo`.

    Elements are addresses of files, strings of any file system that Beam reads, or what
    `beam.io.fileio.ReadMatches` puts out. JPEG, PNG, WebP, GIF and BMP files are read. The main
    output has pairs of the address and the pixels, uint8 (*size, 3). A file that cannot be read
    does not fail the bundle: it becomes an `UnreadableFile` in the output with the tag
    "unreadable".

    Args:
        size: (height, width) of the pixels.
        crop: float, side of the centre crop as a share of the image, as in
            `keras_cabvit.data.evaluation_image`.
        max_megapixels: number; larger images are not decoded. Defaults to 64; `math.inf` is no
            limit.

    Raises:
        ValueError: `max_megapixels` is not above 0.
    """

    def __init__(
        self, size: tuple[int, int], crop: float, max_megapixels: float = MAX_MEGAPIXELS
    ) -> None:
        check_max_megapixels(max_megapixels)
        super().__init__()
        self._size, self._crop, self._limit = size, crop, max_megapixels

    def setup(self) -> None:
        """Imports TensorFlow, which decodes the images, once per worker."""
        tensorflow()

    def process(self, element: str | ReadableFile) -> Iterator[Any]:
        """Yields what one file becomes."""
        file = element if isinstance(element, str) else element.metadata.path
        try:
            encoded = self._bytes_of(file, element)
            pixels = evaluation_image_of(encoded, self._size, self._crop, self._limit)
        except ValueError as error:
            yield beam.pvalue.TaggedOutput(UNREADABLE, UnreadableFile(file, str(error)))
        else:
            yield file, pixels

    def _bytes_of(self, file: str, element: str | ReadableFile) -> bytes:
        """Returns the bytes of a file; raises ValueError with a sentence if they cannot be read."""
        reason = ""
        if FileSystems.get_scheme(file) is None:  # on the worker itself, where a pipe never ends
            reason = obstacle(file, self._limit)
        elif isinstance(element, ReadableFile):
            reason = length_reason(element.metadata.size_in_bytes, self._limit)
        if reason:
            raise ValueError(reason)
        try:
            with FileSystems.open(file, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
                most = most_bytes(self._limit)
                return stream.read(-1 if math.isinf(most) else most + 1)
        except Exception as error:
            # Google's client of its storage has errors of its own.
            refused = getattr(error, "code", None) in _REFUSED
            if not refused and not isinstance(error, (OSError, BeamIOError)):
                raise
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(f"The file cannot be read: {reason}.") from error
