"""Data sets of TensorFlow Datasets."""

import os
import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_cabvit.first_line import first_line
from training.data.data_set import DataSet
from training.data.split import Example
from training.data.stratified import held_out
from training.data.stream_split import RecordFiles, StreamSplit
from training.data.tfds_builder import prepared_builder

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
    builder = prepared_builder(name, data_folder)
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
            f'"train[:50%]" or "train[100:200]". {first_line(error)}'
        ) from error
    kept = np.zeros(count, bool)
    kept[absolute.from_ : absolute.to] = True
    if not kept.any():
        raise ValueError(f'"train{part}" must have images. The split "train" has {count:,}.')
    return kept


def _source(builder: Any) -> _Source:
    """Finds an image and its label among a data set's features."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    keys = builder.info.supervised_keys or ()

    def of_kind(kind: type) -> list[str]:
        # No subclasses: a mask is a kind of image too.
        found = [key for key, feature in features.items() if type(feature) is kind]
        return sorted(found, key=lambda key: key not in keys)

    images, labels = of_kind(tfds.features.Image), of_kind(tfds.features.ClassLabel)
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
    names = [key for key in of_kind(tfds.features.Text) if "name" in key]
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
