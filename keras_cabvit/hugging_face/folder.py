"""The folder that is pushed: an unpacked `.keras` file, labels, record, card and pictures."""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

from keras_cabvit.atomic_files import atomic_folder
from keras_cabvit.data.labels import LABELS
from keras_cabvit.hugging_face.card import model_card
from keras_cabvit.hugging_face.data_set import data_set_name
from keras_cabvit.hugging_face.library import check_repo_id
from keras_cabvit.hugging_face.scores import scores_of
from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.opened_model import open_model
from keras_cabvit.runtimes.run_record import read_finished_run
from keras_cabvit.runtimes.size_and_crop import size_and_crop

# `keras.saving.load_model("hf://...")` reads these from the top of a repository.
_MODEL_FILES = ("config.json", "metadata.json", "model.weights.h5")
# Drawn from numbers alone.
_PICTURES = ("curves.png", "confusion.png", "calibration.png")
# Shows images of the data set.
_PHOTOGRAPHS = ("mistakes.png",)
# Every file that a push can write, so that a later one removes what it no longer has.
FILES = (*_MODEL_FILES, LABELS, "run.json", "README.md", *_PICTURES, *_PHOTOGRAPHS)
# Of run.json; the other fields name files and folders, or what was typed.
_PUBLIC = (
    "recipe",
    "seed",
    "split_seed",
    "backend",
    "versions",
    "hardware",
    "class_names",
    "images",
    "images_per_class",
    "seconds",
    "epoch",
    "scores",
    "none_of_these",
    "finished",
)


def write_folder(
    run: str | os.PathLike,
    folder: str | os.PathLike,
    repo_id: str,
    *,
    license: str | None = None,
    dataset: str | None = None,
    photographs: bool = False,
    revision: str | None = None,
) -> list[str]:
    """Writes the folder that `push` uploads.

    Args:
        run: folder of a finished run, or one that `python -m training publish` wrote.
        folder: folder to write. It appears when it is complete.
        repo_id: string, OWNER/NAME, for the card.
        license: string, the Hub's identifier of the model's licence, such as "apache-2.0"; None
            leaves it out of the card.
        dataset: string, the Hub's identifier of the data set, for the card; None names only data
            sets that are known.
        photographs: whether the picture of the worst mistakes, which shows images of the data set,
            comes too. Defaults to False.
        revision: string, the branch that the card is to name; None is `main`.

    Returns:
        The sorted names of the files.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: the run is not finished or damaged, `repo_id` is malformed, or `folder` was
            written by something else.
        ImportError: huggingface_hub is not installed.
    """
    check_repo_id(repo_id)
    run = local_path(run, "run")
    record = finished_run(run)
    with atomic_folder(local_path(folder, "folder"), "repository") as partial:
        _unpack(run / "model.keras", partial)
        pictures = [
            name
            for name in (*_PICTURES, *(_PHOTOGRAPHS if photographs else ()))
            if (run / name).is_file()
        ]
        for name in (LABELS, *pictures):
            shutil.copyfile(run / name, partial / name)
        _write(partial / "run.json", json.dumps(_public(record), indent=2) + "\n")
        # Opened as its users open it: what is pushed loads.
        model = open_model(partial)
        image_size, crop, _ = size_and_crop(model)
        card = model_card(
            repo_id,
            record,
            scores_of(run, record),
            data_set_name(record.get("data"), dataset),
            image_size,
            crop,
            model.class_names or (),
            pictures,
            license,
            revision,
        )
        _write(partial / "README.md", card)
        return sorted(file.name for file in partial.iterdir())


def finished_run(run: Path) -> dict:
    """Returns the run.json of a finished run.

    Args:
        run: path of its folder.

    Raises:
        FileNotFoundError: there is no run, or one of its files was removed.
        ValueError: it is not finished, or damaged.
    """
    record = read_finished_run(run)
    for name in ("model.keras", LABELS):
        if not (run / name).is_file():
            raise FileNotFoundError(
                f"The run in {run} is finished, but {name} was removed. Restore it."
            )
    return record


def _unpack(model: Path, folder: Path) -> None:
    """Unpacks a `.keras` file, so that weights stored in half size stay so."""
    try:
        with zipfile.ZipFile(model) as archive:
            for name in _MODEL_FILES:
                with archive.open(name) as source, open(folder / name, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            f"{model} is damaged, or is no .keras file: it must be an archive of "
            f"{', '.join(_MODEL_FILES)}."
        ) from error


def _public(record: dict) -> dict:
    """Returns the part of a run.json that names no file or folder."""
    return {name: _without_paths(record[name]) for name in _PUBLIC if name in record}


def _without_paths(value: Any) -> Any:
    """Returns a value of run.json with None for each text that may be a path."""
    if isinstance(value, dict):
        return {name: _without_paths(item) for name, item in value.items()}
    return None if isinstance(value, str) and re.search(r"[/\\~]", value) else value


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
