"""Data sets by name."""

from dataclasses import dataclass

from training.data.split import Split


@dataclass(frozen=True)
class DataSet:
    """What a model is trained, chosen and finally scored on.

    Attributes:
        name: the data set's, for reports.
        class_names: in the order of the labels.
        training: `Split`.
        validation: `Split`, for every choice that is made.
        test: `Split`, for the one score at the end; None if there is none of its own.
        validation_note: a sentence that says where the validation images come from.
        notes: sentences about what a person should know: files that were ignored, for example.
    """

    name: str
    class_names: tuple[str, ...]
    training: Split
    validation: Split
    test: Split | None
    validation_note: str
    notes: tuple[str, ...] = ()

    def checksums(self):
        """Returns a dict from the name of a split to the checksum of its images."""
        splits = ("training", self.training), ("validation", self.validation), ("test", self.test)
        return {name: split.checksum() for name, split in splits if split is not None}


def open_data_set(spec, validation_share=0.1, seed=0, data_folder=None):
    """Opens a data set.

    Args:
        spec: "fashion_mnist", "fashion_mnist:COUNT" for so many of its training images, "elpv",
            "folder:PATH" or "tfds:NAME", where NAME may go on with "/config" and ":version".
        validation_share: share of the training images that becomes the validation split, evenly by
            class, where the data set brings none of its own.
        seed: integer, of this draw.
        data_folder: where TensorFlow Datasets keeps its data sets; None is its own default.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: the spec is none of these, or the data cannot be trained on.
        FileNotFoundError: the data is not there, and cannot be downloaded.
        ImportError: a package that the data set needs is not installed.
    """
    kind, colon, rest = spec.partition(":")
    if kind == "fashion_mnist" and (rest.isdigit() or not colon):
        from training.data.fashion_mnist import fashion_mnist

        return fashion_mnist(validation_share, seed, int(rest) if rest else None)
    if spec == "elpv":
        from training.data.elpv import elpv

        return elpv(validation_share, seed)
    if kind == "folder" and rest:
        from training.data.folder import image_folder

        return image_folder(rest, validation_share, seed)
    if kind == "tfds" and rest:
        from training.data.tfds import tfds_data_set

        return tfds_data_set(rest, validation_share, seed, data_folder)
    raise ValueError(
        '`data` must be "fashion_mnist", "elpv", "folder:PATH" or "tfds:NAME". Received: '
        f'"{spec}"' + (f'. Did you mean "folder:{spec}"?' if "/" in spec and not colon else "")
    )
