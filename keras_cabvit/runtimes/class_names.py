"""Class names of a model: those that it states, else those beside it."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_cabvit.data.labels import LABELS, read_labels
from keras_cabvit.runtimes.keras_statements import folder_of, keras_statements
from keras_cabvit.runtimes.run_record import first_run


def names_of_model(model: str | os.PathLike[str], classes: int | None = None) -> list[str] | None:
    """Returns the class names of a `.keras` file, or None.

    They are those that the file states, else those in `labels.txt`, else in `run.json`, beside it.

    Args:
        model: path of the `.keras` file, or of the folder of an unpacked one, which then has them.
        classes: integer, the model's number of classes; None if it is unknown.

    Raises:
        ValueError: the file is damaged, or names more or fewer classes.
    """
    return stated_names(model, keras_statements(model).labels, [folder_of(model)], classes)


def stated_names(
    model: str | os.PathLike[str],
    labels: Sequence[str] | None,
    folders: Sequence[Path],
    classes: int | None,
) -> list[str] | None:
    """Returns the class names that a model states, else those in a file beside it, or None.

    Args:
        model: path of the model, for messages.
        labels: the names that it states; None without names.
        folders: folders in which first a `labels.txt`, and then a `run.json`, is looked up.
        classes: integer, the model's number of classes; None if it is unknown.

    Raises:
        ValueError: a file is damaged, or there are more or fewer names than classes.
    """
    if labels is not None:
        return read_labels(labels, classes, f"The labels inside {model}")
    files = (folder / LABELS for folder in folders)
    file = next((file for file in files if file.is_file()), None)
    if file is not None:
        return read_labels(file, classes)
    run, run_file = first_run(folders)
    return read_labels((run or {}).get("class_names"), classes, f"`class_names` in {run_file}")
