"""Data sets by name, and folders to write that must not lie in them."""

import os
from pathlib import Path

from keras_cabvit.paths import local_path
from training.data.data_set import DataSet


def open_data_set(
    spec: str,
    validation_share: float = 0.1,
    seed: int = 0,
    data_folder: str | os.PathLike | None = None,
    to_train: bool = True,
    group_duplicates: bool = False,
    labels: str | os.PathLike | None = None,
) -> DataSet:
    """Opens a data set.

    Args:
        spec: "fashion_mnist", "fashion_mnist:COUNT" for so many of its training images, "elpv",
            "folder:PATH" or "tfds:NAME", where NAME may continue with "/config" and ":version".
        validation_share: share of the training images that becomes the validation split, evenly by
            class, unless the data set has a validation split of its own.
        seed: integer, the seed of this draw.
        data_folder: the folder in which TensorFlow Datasets keeps its data sets; None is its
            default.
        to_train: whether a folder must have enough images to train on. Otherwise one class is
            enough, or only test images, and splits may be without images.
        group_duplicates: whether near duplicates in a folder are looked for, and stay together when
            its validation images are drawn.
        labels: table of files, classes and splits of a folder, as `read_label_table` takes it; None
            takes them from the names of folders.

    Returns:
        A `DataSet`.

    Raises:
        ValueError: the spec is none of these, or the data cannot be trained on.
        FileNotFoundError: the data is missing and cannot be downloaded.
        ImportError: a package that the data set needs is not installed.
    """
    kind, colon, rest = spec.partition(":")
    if labels is not None and kind != "folder":
        raise ValueError(
            'A table of labels belongs to the images of a folder: give "folder:PATH". Received: '
            f'"{spec}"'
        )
    if kind == "fashion_mnist" and (rest.isdigit() or not colon):
        from training.data.fashion_mnist import fashion_mnist

        return fashion_mnist(validation_share, seed, int(rest) if rest else None)
    if spec == "elpv":
        from training.data.elpv import elpv

        return elpv(validation_share, seed)
    if kind == "folder" and rest:
        from training.data.folder import Draw, image_folder

        draw = Draw(validation_share, seed, group_duplicates)
        return image_folder(local_path(rest, "data"), draw, to_train, labels)
    if kind == "tfds" and rest:
        from training.data.tfds import tfds_data_set

        return tfds_data_set(rest, validation_share, seed, data_folder)
    raise ValueError(
        '`data` must be "fashion_mnist", "elpv", "folder:PATH" or "tfds:NAME". Received: '
        f'"{spec}"' + (f'. Did you mean "folder:{spec}"?' if "/" in spec and not colon else "")
    )


def place_of_run(run: dict) -> str | None:
    """Returns the data of a run by the full path of its folder; None if only its name opens it.

    The source of a data set of TensorFlow Datasets is its name and version, which leave out the
    part that is trained on and the folder, and are not opened by that spelling.

    Args:
        run: dict, the run.json of the run.
    """
    source = run.get("data_source")
    return source if source and not source.startswith("tfds:") else None


def same_place(before: str | None, now: str | None) -> bool:
    """Returns whether two specifications of data, or two paths, name the same place."""
    if before is None or now is None:
        return before == now
    kind = "folder:"
    if before.startswith(kind) != now.startswith(kind):
        return False
    one, other = (
        os.path.realpath(os.path.expanduser(each.removeprefix(kind))) for each in (before, now)
    )
    # Some file systems ignore case, or forms of letters.
    there = os.path.exists(one) and os.path.exists(other)
    return one == other or (there and os.path.samefile(one, other))


def check_still_there(spec: str, labels: str | os.PathLike | None = None) -> None:
    """Raises an error if the images that the record of a run names are gone.

    Args:
        spec: string, the data, as `open_data_set` takes it. Only "folder:PATH" is checked.
        labels: its table of labels, or None.

    Raises:
        FileNotFoundError: the folder or the table is no longer there; the message says how to give
            a new place.
    """
    kind, _, path = spec.partition(":")
    if kind != "folder":
        return
    options = f"--data {kind}:PATH" + ("" if labels is None else " --data.labels FILE")
    for what, place in (("images", path), ("labels", labels)):
        if place is not None and not os.path.exists(os.path.expanduser(place)):
            raise FileNotFoundError(
                f"The {what} of this run were at {place}, and nothing is there now. If they were "
                f"moved, give their new place: {options}"
            )


def check_outside(spec: str, out: str | os.PathLike, option: str = "--out") -> None:
    """Raises ValueError if a file or folder to write lies in a folder of images, or holds it.

    The next command would read what was written as images of a class.

    Args:
        spec: string, the data, as `open_data_set` takes it. Only "folder:PATH" is checked.
        out: path of the file or folder to write.
        option: string, the option that gave it, for the message.

    Raises:
        ValueError: one lies in the other, or both are the same.
    """
    kind, _, rest = spec.partition(":")
    if kind != "folder" or not rest:
        return
    data, place = (Path(os.path.realpath(os.path.expanduser(path))) for path in (rest, out))
    if not data.exists():
        return
    if any(_same(data, parent) for parent in (place, *place.parents)):
        raise ValueError(
            f"{option} must lie outside the data: what is written to {out} would be read as images "
            f"of {rest} the next time. Choose {data.parent / 'runs' / place.name}, for example."
        )
    if any(_same(place, parent) for parent in data.parents):
        raise ValueError(
            f"{option} must not hold the data, {rest}. Received: {out}. Choose "
            f"{place / 'run'}, for example."
        )


def _same(one: Path, other: Path) -> bool:
    """Returns whether two paths are one folder, on systems too that ignore case."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:  # one does not exist yet
        return False
