"""Data sets of TensorFlow Datasets."""

import difflib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from training.data.data_set import DataSet
from training.data.split import Example
from training.data.stratified import held_out
from training.data.stream_split import RecordFiles, StreamSplit

# Encoded images in the shuffle buffers, in bytes.
_BUFFER_BYTES = 1 << 30
_READ_AHEAD_BYTES = 1 << 20


def tfds_data_set(
    name: str, validation_share: float, seed: int, data_folder: str | os.PathLike | None = None
) -> DataSet:
    """Opens a data set by its name or path, preparing it first if necessary.

    The split "train" is trained on, or the part of it that is asked for. "validation" is the
    validation split; without it the validation images are drawn from "train", evenly by class.
    "test" is the test split if it has labels.

    Args:
        name: "name", "name/config", "name:version" or "name/config:version"; or the path of a
            prepared data set, beginning with "/", "~" or ".". It may end in the part of "train" to
            train on, as TensorFlow Datasets writes it: "cifar10[:50%]", "cifar10[1000:5000]".
        validation_share: share of every class of "train" that is held out if the data set has no
            "validation".
        seed: integer, the seed of this draw.
        data_folder: folder of the data sets; None is TensorFlow Datasets' default.

    Returns:
        A `DataSet`.

    Raises:
        ImportError: TensorFlow Datasets is not installed.
        ValueError: there is no such data set, or it has no labelled images to train on.
        FileNotFoundError: it is not prepared, and cannot be prepared.
    """
    name, part = _without_part(name)
    builder = _prepared(_builder(name, data_folder))
    source = _source(builder)
    splits = builder.info.splits
    if "train" not in splits:
        raise ValueError(
            f'The data set {name} must have a split "train". It has: {", ".join(splits)}.'
        )
    labels = None
    kept = _records_of(builder, part)
    own = next((split for split in ("validation", "val") if split in splits), None)
    if own is None:
        labels = _labels(source, "train")
        if kept is not None:
            labels[~kept] = -1
        held = np.zeros(len(labels), bool)
        held[labels >= 0] = held_out(labels[labels >= 0], validation_share, seed)
        validation = _split(source, "train", held)
        kept = ~held & (labels >= 0)
        note = (
            f"The {held.sum():,} validation images were drawn from the {(labels >= 0).sum():,} "
            f'labelled images of the split "train{part}", evenly by class, with seed {seed}.'
        )
    else:
        validation = _split(source, own)
        note = f'The {validation.size:,} validation images are the data set\'s split "{own}".'
    notes = []
    test = _split(source, "test") if "test" in splits else None
    if test and next(test.in_order().as_numpy_iterator())["label"] < 0:
        test = None
        notes.append('The split "test" has no labels and was ignored.')
    if part:
        notes.append(f'Of the split "train", the part "train{part}" is trained on.')
    return DataSet(
        f"{builder.info.full_name}{part}",
        source.class_names,
        _split(source, "train", kept),
        validation,
        test,
        note,
        tuple(notes),
        source=f"tfds:{builder.info.full_name}",
    )


class _Source(NamedTuple):
    builder: Any
    image: str
    label: str
    file_name: str | None
    class_names: tuple[str, ...]


def _builder(name: str, data_folder: str | os.PathLike | None) -> Any:
    try:
        # TensorFlow Datasets needs importlib_resources too, but does not require it.
        import importlib_resources  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "Data sets by tfds:NAME need TensorFlow Datasets: "
            f"pip install tensorflow-datasets importlib_resources ({error})"
        ) from error
    if name.startswith(("/", "~", ".")):
        return _builder_at(Path(name).expanduser())
    try:
        # TensorFlow Datasets reads and writes remote storage, such as gs://bucket/data, by itself.
        folder = None if data_folder is None else os.path.expanduser(data_folder)
        return tfds.builder(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError as error:
        folder = Path(data_folder or tfds.core.constants.DATA_DIR).expanduser()
        prepared = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        known = {*tfds.list_builders(with_community_datasets=False), *prepared}
        close = difflib.get_close_matches(name.split("/")[0].split(":")[0], known)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"TensorFlow Datasets has no data set {name}.{hint}") from error
    except Exception as error:  # a wrong name raises various types
        raise ValueError(f"TensorFlow Datasets cannot open {name}: {_line(error)}") from error


def _builder_at(path: Path) -> Any:
    """Returns the builder of a prepared data set's folder, of its newest version if it has many."""
    import tensorflow_datasets as tfds

    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder of a prepared data set at {path}.")
    found = sorted(file.parent for file in path.rglob("dataset_info.json"))
    if not found:
        raise ValueError(
            f"{path} must be the folder of a prepared data set of TensorFlow Datasets. It has no "
            f'dataset_info.json. For folders of image files give "folder:{path}".'
        )
    if len({folder.parent for folder in found}) > 1:
        raise ValueError(
            f"{path} must be the folder of one prepared data set. It has several: "
            f"{', '.join(str(folder.relative_to(path)) for folder in found)}."
        )
    newest = max(found, key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.name)])
    try:
        return tfds.builder_from_directory(newest)
    except Exception as error:  # a damaged description raises various types
        raise ValueError(f"TensorFlow Datasets cannot open {newest}: {_line(error)}") from error


def _without_part(name: str) -> tuple[str, str]:
    """Splits the part of "train" in brackets from a data set's name; it may be empty."""
    match = re.fullmatch(r"(.*?)(\[[^\[\]]*\])?", name)
    if match is None:
        return name, ""
    return match[1], match[2] or ""


def _records_of(builder: Any, part: str) -> np.ndarray | None:
    """Returns which records of "train" are in a part of it; None for all."""
    import tensorflow_datasets as tfds

    if not part:
        return None
    count = builder.info.splits["train"].num_examples
    try:
        instruction = tfds.core.ReadInstruction.from_spec(f"train{part}")
        (absolute,) = instruction.to_absolute(builder.info.splits)
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f'"train{part}" must be a part of a split as TensorFlow Datasets writes it, such as '
            f'"train[:50%]" or "train[100:200]". {_line(error)}'
        ) from error
    kept = np.zeros(count, bool)
    kept[absolute.from_ : absolute.to] = True
    if not kept.any():
        raise ValueError(f'"train{part}" must have images. The split "train" has {count:,}.')
    return kept


def _prepared(builder: Any) -> Any:
    """Downloads and prepares a data set, unless it is prepared."""
    # A builder that reads its own files has splits without being prepared.
    if builder.is_prepared() or builder.info.splits:
        return builder
    name = builder.info.full_name
    manual = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    folder = builder.data_path.parents[len(builder.info.full_name.split("/")) - 1]
    manual_folder = folder / "downloads" / "manual"
    if manual and not (manual_folder.exists() and any(manual_folder.iterdir())):
        raise FileNotFoundError(
            f"The data set {name} is not in {folder} and must be downloaded by hand first. Put "
            f"its files into {manual_folder}. {' '.join(manual.split())}"
        )
    print(
        f"The data set {name} is not in {folder}. Downloading and preparing it; without a network "
        "this fails after some minutes.",
        flush=True,
    )
    try:
        builder.download_and_prepare()
    except Exception as error:  # of the network, the disk, or the data set's own code
        raise FileNotFoundError(
            f"The data set {name} is not in {folder}, and could not be downloaded and prepared: "
            f"{_line(error)}"
        ) from error
    return builder


def _line(error: Exception) -> str:
    """Returns the first line of an error's message, or its kind if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _source(builder: Any) -> _Source:
    """Finds an image and its label among a data set's features."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())

    def first(kind: type) -> list[str]:
        # No subclasses: a mask is a kind of image too.
        return [key for key, feature in features.items() if type(feature) is kind]

    keys = builder.info.supervised_keys or ()
    images = [key for key in first(tfds.features.Image) if key in keys] or first(
        tfds.features.Image
    )
    labels = [key for key in first(tfds.features.ClassLabel) if key in keys] or first(
        tfds.features.ClassLabel
    )
    if not images or not labels:
        raise ValueError(
            f"The data set {builder.info.full_name} must have an image and a class label. Its "
            f"features are: {', '.join(features)}."
        )
    image = images[0]
    if features[image].dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'The images "{image}" of the data set {builder.info.full_name} must be of 8 or 16 '
            f"bits. They are {np.dtype(features[image].dtype).name}."
        )
    names = [key for key in first(tfds.features.Text) if "name" in key]
    return _Source(
        builder, image, labels[0], names[0] if names else None, tuple(features[labels[0]].names)
    )


def _split(source: _Source, name: str, kept: np.ndarray | None = None) -> StreamSplit:
    import tensorflow_datasets as tfds

    info = source.builder.info.splits[name]
    wanted = {source.image, source.label} | ({source.file_name} - {None})
    decoders = {source.image: tfds.decode.SkipDecoding()}

    def example(features: dict, number: tf.Tensor) -> Example:
        called = tf.strings.join([f"{name} image ", tf.strings.as_string(number)])
        if source.file_name:
            called = tf.strings.join([called, " (", features[source.file_name], ")"])
        return {
            "name": called,
            "image": features[source.image],
            "label": tf.cast(features[source.label], tf.int64),
        }

    if source.builder.is_prepared():
        _check_format(source.builder)
        # Paths and sizes in the same order; only the features that are used are parsed.
        paths = tf.constant([str(path) for path in info.filepaths])
        features = tfds.decode.PartialDecoding(dict.fromkeys(wanted, True)).extract_features(
            source.builder.info.features
        )

        files = RecordFiles(
            info.shard_lengths,
            lambda file: tf.data.TFRecordDataset(paths[file], buffer_size=_READ_AHEAD_BYTES),
            lambda record, number: example(
                features.deserialize_example(record, decoders=decoders), number
            ),
        )
    else:
        # The builder reads its own files, in its own order.
        stored = source.builder.as_dataset(name, shuffle_files=False, decoders=decoders)

        files = RecordFiles([info.num_examples], lambda _: stored, example)
    image_bytes = info.num_bytes / max(1, info.num_examples) or 1 << 16
    buffer_size = max(1, min(16384, int(_BUFFER_BYTES / image_bytes)))
    return StreamSplit(files, source.class_names, kept, buffer_size)


def _check_format(builder: Any) -> None:
    if builder.info.file_format.value != "tfrecord":
        raise ValueError(
            f"The data set {builder.info.full_name} must be prepared as tfrecord, which can "
            f"be streamed. It is prepared as {builder.info.file_format.value}: prepare it again "
            "with `tfds build --file_format=tfrecord`."
        )


def _labels(source: _Source, name: str) -> np.ndarray:
    """Reads the labels of a split, in its stored order."""
    split = _split(source, name)
    if split.size > 20_000:
        print(f"Reading the labels of {split.size:,} images, to hold out some of each.", flush=True)
    labels = split.in_order().map(lambda example: example["label"])
    return np.concatenate(list(labels.batch(4096).as_numpy_iterator()))
