"""Class names of a model, from a list or a file."""

import os
import re
from collections.abc import Sequence

from keras_cabvit.paths import local_path

LABELS = "labels.txt"  # the file of a training run, and in an exported model


def labels_text(labels: Sequence[str]) -> str:
    """Returns the text of a labels file, which `label_lines` reads.

    Args:
        labels: names in the order of the classes.
    """
    return "\n".join(labels) + "\n"


def label_lines(text: str) -> list[str]:
    """Returns the names in the text of a labels file.

    Args:
        text: one name per line; lines end as on any system. Empty lines at the end, and a byte
            order mark at the beginning, are not names.
    """
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def labels_in(content: bytes, source: str | os.PathLike[str]) -> list[str]:
    """Returns the names in the content of a labels file, unchecked.

    Args:
        content: bytes, text in UTF-8.
        source: the path of the file, or of the one that contains it, for error messages.

    Raises:
        ValueError: the content is not in UTF-8.
    """
    try:
        return label_lines(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"The labels in {source} must be text in UTF-8: {error}") from error


def read_labels(
    labels: Sequence[str] | str | os.PathLike[str] | None,
    classes: int | None,
    source: str = "`labels`",
) -> list[str] | None:
    """Returns the class names.

    Args:
        labels: names in the order of the classes; or the path of a text file with one name per
            line, as training writes `labels.txt`, with or without empty lines at its end; or None.
        classes: integer, the model's number of classes; None if it is unknown.
        source: string, name of the labels in error messages; not used for a file.

    Returns:
        A list of strings, or None without names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there are more or fewer names than classes, a name is empty, not text, of
            several lines or begins the names with a byte order mark, or it or the file is not in
            UTF-8.
    """
    if labels is None:
        return None
    if isinstance(labels, (str, os.PathLike)):
        labels = local_path(labels, "labels")
        source = f"The file {labels}"
        if not labels.is_file():
            raise FileNotFoundError(f"There is no file of labels at {labels}.")
        labels = labels_in(labels.read_bytes(), labels)
    labels = list(labels)
    if classes is not None and len(labels) != classes:
        raise ValueError(
            f"{source} must name the {classes} classes of the model. Received: {len(labels)} names"
        )
    for number, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip() or re.search("[\r\n]", label):
            raise ValueError(
                f"{source} must give one-line names. Received: {label!r} for class {number}"
            )
        # Half characters stand for bytes that are not UTF-8, as in the name of a folder. A byte
        # order mark at the beginning of a file of labels is no part of the first name.
        if re.search("[\ud800-\udfff]", label) or (number == 0 and label.startswith("\ufeff")):
            raise ValueError(
                f"{source} must give names that are text in UTF-8, without a byte order mark. "
                f"Received: {label!a} for class {number}"
            )
    return labels
