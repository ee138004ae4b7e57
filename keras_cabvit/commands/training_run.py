"""Files that a training run wrote beside its model."""

from pathlib import Path

from keras_cabvit.runtimes.run_record import read_run


def labels_beside(model):
    """Returns the path of `labels.txt` beside a `.keras` file, or None.

    Args:
        model: path of the `.keras` file.
    """
    file = Path(model).with_name("labels.txt")
    return file if file.is_file() else None


def crop_beside(model):
    """Returns the centre crop used in a run's evaluation, or None if it is not recorded.

    Args:
        model: path of a `.keras` file, with or without a `run.json` beside it.

    Returns:
        Float, the crop's side as a share of the image.

    Raises:
        ValueError: `run.json` is damaged.
    """
    run = read_run(Path(model).parent) or {}
    return (run.get("recipe") or {}).get("evaluation_crop")
