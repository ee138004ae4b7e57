"""Builders of TensorFlow Datasets: found by name or path, and prepared if necessary."""

import difflib
import os
import re
from pathlib import Path
from typing import Any

from keras_cabvit.first_line import first_line


def prepared_builder(name: str, data_folder: str | os.PathLike | None) -> Any:
    """Returns the builder of a data set, which is downloaded and prepared first if necessary.

    Args:
        name: name or path, as `tfds_data_set` takes it, without a part of a split.
        data_folder: folder of the data sets; None is TensorFlow Datasets' default.

    Raises:
        ImportError: TensorFlow Datasets is not installed.
        ValueError: there is no such data set.
        FileNotFoundError: it is not prepared, and cannot be prepared.
    """
    return _prepared(_builder(name, data_folder))


def _builder(name: str, data_folder: str | os.PathLike | None) -> Any:
    try:
        # TensorFlow Datasets needs importlib_resources too, but does not require it.
        import importlib_resources  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            'Data sets by tfds:NAME need TensorFlow Datasets: pip install "keras-cabvit[tfds]" '
            f"({error})"
        ) from error
    if name.startswith(("/", "~", ".")):
        return _builder_at(Path(name).expanduser())
    try:
        # TensorFlow Datasets reads and writes remote storage, such as gs://bucket/data, by itself.
        folder = None if data_folder is None else os.path.expanduser(data_folder)
        return tfds.builder(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError as error:
        folder = Path(data_folder or tfds.core.constants.DATA_DIR).expanduser()
        prepared = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        known = {*tfds.list_builders(with_community_datasets=False), *prepared}
        close = difflib.get_close_matches(name.split("/")[0].split(":")[0], known)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"TensorFlow Datasets has no data set {name}.{hint}") from error
    except Exception as error:  # a wrong name raises various types
        raise ValueError(f"TensorFlow Datasets cannot open {name}: {first_line(error)}") from error


def _builder_at(path: Path) -> Any:
    """Returns the builder of a prepared data set's folder, of its newest version if it has many."""
    import tensorflow_datasets as tfds

    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder of a prepared data set at {path}.")
    found = sorted(file.parent for file in path.rglob("dataset_info.json"))
    if not found:
        raise ValueError(
            f"{path} must be the folder of a prepared data set of TensorFlow Datasets. It has no "
            f'dataset_info.json. For folders of image files give "folder:{path}".'
        )
    if len({folder.parent for folder in found}) > 1:
        raise ValueError(
            f"{path} must be the folder of one prepared data set. It has several: "
            f"{', '.join(str(folder.relative_to(path)) for folder in found)}."
        )
    newest = max(found, key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.name)])
    try:
        return tfds.builder_from_directory(newest)
    except Exception as error:  # a damaged description raises various types
        raise ValueError(
            f"TensorFlow Datasets cannot open {newest}: {first_line(error)}"
        ) from error


def _prepared(builder: Any) -> Any:
    """Downloads and prepares a data set, unless it is prepared."""
    # A builder that reads its own files has splits without being prepared.
    if builder.is_prepared() or builder.info.splits:
        return builder
    name = builder.info.full_name
    manual = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    folder = builder.data_path.parents[len(builder.info.full_name.split("/")) - 1]
    manual_folder = folder / "downloads" / "manual"
    if manual and not (manual_folder.exists() and any(manual_folder.iterdir())):
        raise FileNotFoundError(
            f"The data set {name} is not in {folder} and must be downloaded by hand first. Put "
            f"its files into {manual_folder}. {' '.join(manual.split())}"
        )
    print(
        f"The data set {name} is not in {folder}. Downloading and preparing it; without a network "
        "this fails after some minutes.",
        flush=True,
    )
    try:
        builder.download_and_prepare()
    except Exception as error:  # of the network, the disk, or the data set's own code
        raise FileNotFoundError(
            f"The data set {name} is not in {folder}, and could not be downloaded and prepared: "
            f"{first_line(error)}"
        ) from error
    return builder
