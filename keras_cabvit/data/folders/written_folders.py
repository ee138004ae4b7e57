"""Folders that training, evaluation and exports write, which must not be read as classes."""

from pathlib import Path

from keras_cabvit.data.folders.folder_entries import list_folder

# Any of these files marks the folder of a run, a published model or a SavedModel.
_MARKS = ("run.json", "model.keras", "saved_model.pb")
# These do if there are no images but the figures of a report.
_PRODUCTS = (".keras", ".tflite", ".h5", ".onnx")
_RECORDS = ("report.md", "scores.json", "metrics.csv", "labels_to_check.csv", "duplicates.csv")
# Two or more of these, and no other images, are those of a report that was moved.
_FIGURES = (
    *("batch.png", "calibration.png", "confusion.png", "curves.png", "mistakes.png"),
    "labels_to_check.png",
)
_DEPTH = 3


def mark_of_output(folder, listing=None, depth=_DEPTH):
    """Returns the path of the file or folder by which a folder is known as written by a program.

    Args:
        folder: path.
        listing: the `Listing` of the folder; None lists it.
        depth: integer, levels at which runs and exports inside the folder are looked for. A folder
            with images of its own is not searched.

    Returns:
        The path, relative to the folder's parent: "run1/run.json"; None for any other folder.

    Raises:
        ValueError: a folder cannot be listed.
    """
    folder = Path(folder)
    listing = list_folder(folder) if listing is None else listing
    only_figures = set(listing.images) <= set(_FIGURES)
    for name in listing.others:
        product = name.endswith(_PRODUCTS) or name in _RECORDS
        if name in _MARKS or (product and only_figures):
            return f"{folder.name}/{name}"
    if "checkpoints" in listing.folders and only_figures:
        return f"{folder.name}/checkpoints"
    if only_figures and len(listing.images) > 1:
        return f"{folder.name}/{listing.images[0]}"
    if listing.images or not depth:
        return None
    for name in listing.folders:
        inside = mark_of_output(folder / name, depth=depth - 1)
        if inside is not None:
            return f"{folder.name}/{inside}"
    return None
