"""Classes of an export in the order of its source model's, by their names and by their scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_cabvit.data.class_names import match_classes
from keras_cabvit.data.labels import read_labels


def columns_of_model(
    export: Path,
    of_export: Sequence[str] | None,
    model: Path,
    of_model: Sequence[str] | None,
    classes: int | None,
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Finds the column of an export's scores for each class of its source model.

    Args:
        export: path of the export, for messages.
        of_export: names of its classes, or None.
        model: path of the model, for messages.
        of_model: names of its classes, or None.
        classes: integer, the number of classes.

    Returns:
        Array (classes,) of integers, or None if the order is the model's or is assumed; and
        sentences on the matching.

    Raises:
        ValueError: both name their classes, and the names are not the same.
    """
    named = read_labels(of_export, classes, f"The labels inside {export}")
    if named is None and of_model is None:
        return None, ()
    if named is None or of_model is None:
        nameless = export if named is None else model
        return None, (f"{nameless} does not name its classes: they were compared by position.",)
    match = match_classes(of_model, named, classes, model=str(model), data=str(export))
    return np.argsort(match.positions), match.notes


def moved_classes(given: np.ndarray, wanted: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Finds classes of a model whose scores an export gives for other classes.

    Of the classes that the model assigns to any image, each is compared with every class of the
    export. They have moved if each has another nearest class, if the scores then differ by less
    than a tenth (in mean squares) of what they differ by in the model's order, and if more images
    are then assigned alike: rounding or another model make no such difference.

    Args:
        given: array (images, classes) of the export's scores.
        wanted: array of the same shape, the model's scores.

    Returns:
        Pairs (class of the model, class of the export); empty if none has moved.
    """
    given, wanted = given.astype("float64"), wanted.astype("float64")
    ours, assigned = np.unique(wanted.argmax(axis=1), return_inverse=True)
    squares = (wanted[:, ours] ** 2).sum(axis=0)[:, None] + (given**2).sum(axis=0)
    differences = squares - 2 * wanted[:, ours].T @ given  # (classes of `ours`, classes)
    theirs = differences.argmin(axis=1)
    rows = np.arange(len(ours))
    alike = [(given.argmax(axis=1) == each[assigned]).mean() for each in (ours, theirs)]
    if len(set(theirs)) < len(theirs) or alike[1] <= alike[0]:
        return ()
    if not differences[rows, theirs].sum() < differences[rows, ours].sum() / 10:
        return ()
    pairs = zip(ours.tolist(), theirs.tolist(), strict=True)
    return tuple((one, other) for one, other in pairs if one != other)
