"""The training, validation and test images of one data set."""

import functools
from dataclasses import dataclass, field

from keras_cabvit.data.folders.left_out import LeftOut
from training.data.duplicates import Duplicates
from training.data.image_sizes import ImageSizes, image_sizes
from training.data.split import Split


@dataclass(frozen=True)
class DataSet:
    """The images that a model is trained on, selected by, and finally scored on.

    Attributes:
        name: name of the data set, for reports.
        class_names: names of the classes, in the order of the labels.
        training: `Split`.
        validation: `Split`, for every choice that is made.
        test: `Split`, for the one score at the end; None if the data set has none.
        validation_note: a sentence on the origin of the validation images.
        notes: sentences that the reader should know: on missing classes, for example.
        left_out: `LeftOut`s, the entries of a folder that were not read, by kind.
        left_out_note: a sentence that names them; empty if there are none.
        source: the data set by a name that does not depend on how it was asked for: a folder by
            its resolved path. Empty if the name that was asked for is the only one.
        duplicates: `Duplicates`, near duplicates in a folder; without groups if none were looked
            for.
    """

    name: str
    class_names: tuple[str, ...]
    training: Split
    validation: Split
    test: Split | None
    validation_note: str
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    left_out_note: str = ""
    source: str = ""
    duplicates: Duplicates = field(default_factory=Duplicates)

    @functools.cached_property
    def image_sizes(self) -> ImageSizes:
        """The sizes of a sample of the training images, read once."""
        return image_sizes(self.training)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The sentences on entries that were not read, the others, and those on duplicates."""
        left_out = (self.left_out_note,) if self.left_out_note else ()
        return (*left_out, *self.notes, *self.duplicates.sentences())

    def splits(self) -> dict[str, Split]:
        """Returns the splits: "training", "validation" and, if there is one, "test"."""
        splits = {"training": self.training, "validation": self.validation}
        return splits if self.test is None else splits | {"test": self.test}

    def class_counts(self) -> dict[str, tuple[int, ...] | None]:
        """Returns a dict from the name of a split to its images per class; None if unknown."""
        return {name: split.class_counts() for name, split in self.splits().items()}

    def checksums(self) -> dict[str, str]:
        """Returns a dict from the name of a split to the checksum of its images."""
        return {name: split.checksum() for name, split in self.splits().items()}
