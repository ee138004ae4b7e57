"""The training, validation and test images of one data set."""

from dataclasses import dataclass

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
        notes: sentences that the reader should know: on ignored files, for example.
    """

    name: str
    class_names: tuple[str, ...]
    training: Split
    validation: Split
    test: Split | None
    validation_note: str
    notes: tuple[str, ...] = ()

    def checksums(self) -> dict[str, str]:
        """Returns a dict from the name of a split to the checksum of its images."""
        splits = ("training", self.training), ("validation", self.validation), ("test", self.test)
        return {name: split.checksum() for name, split in splits if split is not None}
