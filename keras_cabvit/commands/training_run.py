"""Files that a training run wrote beside its model."""

from pathlib import Path

from keras_cabvit.runtimes.run_record import crop_of_run, read_run


def labels_beside(model):
    """Returns the path of `labels.txt` beside a `.keras` file, or None.

    Args:
        model: path of the `.keras` file.
    """
    file = Path(model).with_name("labels.txt")
    return file if file.is_file() else None


def crop_beside(model, image_size=None):
    """Returns the centre crop used in a run's evaluation, or None if it is not recorded.

    Args:
        model: path of a `.keras` file, with or without a `run.json` beside it.
        image_size: (height, width) of the model; None takes that of the run's recipe.

    Returns:
        Float, the crop's side as a share of the image.

    Raises:
        ValueError: `run.json` is damaged.
    """
    return crop_of_run(read_run(Path(model).parent), image_size)
