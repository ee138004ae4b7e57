"""The rows that the transforms put out. They have schemas, as Parquet needs."""

from collections.abc import Sequence
from typing import NamedTuple

import apache_beam as beam


class PredictedFile(NamedTuple):
    """The most probable classes of one image file, in descending order.

    Attributes:
        file: string, the path or address of the file.
        classes: integers, the numbers of the classes.
        class_names: strings, their names; the numbers if the model has no names.
        probabilities: floats, exactly the float32 values that the model gives.
    """

    file: str
    classes: Sequence[int]
    class_names: Sequence[str]
    probabilities: Sequence[float]


class UnreadableFile(NamedTuple):
    """A file that was not read.

    Attributes:
        file: string, the path or address of the file.
        error: a sentence on the reason.
    """

    file: str
    error: str


for _row in (PredictedFile, UnreadableFile):
    beam.coders.registry.register_coder(_row, beam.coders.RowCoder)
