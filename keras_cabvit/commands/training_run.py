"""Files that a training run wrote beside its model."""

import json
from pathlib import Path


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
    file = Path(model).with_name("run.json")
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))["recipe"]["evaluation_crop"]
    except (KeyError, TypeError):
        return None
    except ValueError as error:
        raise ValueError(f"{file} is damaged: it is not valid JSON ({error}).") from error
