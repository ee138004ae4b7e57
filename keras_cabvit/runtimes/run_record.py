"""Reading run.json, the record of a training run beside its model."""

import json
import os

from keras_cabvit.paths import local_path

REMEDY = (
    "Restore it from a copy, or choose another folder with --out; a model.keras beside it is "
    "scored without it, by its path."
)


def read_run(folder: str | os.PathLike, name: str = "run.json") -> dict | None:
    """Returns the content of a folder's run.json, or None if there is none.

    Args:
        folder: path.
        name: string, the file's name. Defaults to "run.json".

    Raises:
        ValueError: it is damaged.
    """
    path = local_path(folder) / name
    if not path.is_file():
        return None
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is not valid JSON ({error}). {REMEDY}") from error
    if not isinstance(run, dict):
        raise ValueError(f"{path} is damaged: it must hold a JSON object. {REMEDY}")
    return run
