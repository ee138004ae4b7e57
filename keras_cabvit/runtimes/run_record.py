"""Reading run.json, the record of a training run beside its model."""

import json
import os

from keras_cabvit.paths import local_path


def read_run(folder: str | os.PathLike) -> dict | None:
    """Returns the content of a folder's run.json, or None if there is none.

    Raises:
        ValueError: it is damaged.
    """
    path = local_path(folder) / "run.json"
    if not path.is_file():
        return None
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is not valid JSON ({error}).") from error
    if not isinstance(run, dict):
        raise ValueError(f"{path} is damaged: it must hold a JSON object.")
    return run
