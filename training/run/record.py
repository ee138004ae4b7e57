"""run.json: the record of a run's settings, data and computer."""

import dataclasses
import importlib.metadata
import os
import platform
import shlex
import sys
from typing import Any

import keras

from keras_cabvit.url_credentials import without_credentials
from training.data.data_set import DataSet
from training.devices.strategies import Placement
from training.recipes.recipe import Recipe
from training.run.options import TrainOptions

_PACKAGES = (
    "keras-cabvit",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "tensorflow-datasets",
)


def run_record(
    recipe: Recipe,
    options: TrainOptions,
    placement: Placement,
    data_set: DataSet,
    command: str | None,
) -> dict:
    """Returns the content of run.json for a new run.

    Args:
        recipe: `Recipe`.
        options: `TrainOptions`.
        placement: `Placement`.
        data_set: `DataSet`.
        command: string, the command that started the run; None means this process's command line.
            Credentials in its URLs are not recorded.

    Returns:
        A dict that JSON can represent.
    """
    return {
        "recipe": plain(dataclasses.asdict(recipe)),
        "data": options.data,
        "data_source": data_set.source or options.data,
        "labels": None if options.labels is None else str(options.labels.resolve()),
        "seed": options.seed,
        "split_seed": options.split_seed,
        "strategy": placement.strategy,
        "devices": placement.replicas,
        "backend": keras.backend.backend(),
        "deterministic": options.deterministic,
        "command": _command() if command is None else without_credentials(command),
        "versions": _versions(),
        "hardware": hardware(),
        "class_names": list(data_set.class_names),
        "images": {
            "training": data_set.training.size,
            "validation": data_set.validation.size,
            "test": data_set.test.size if data_set.test else 0,
        },
        "images_per_class": plain(data_set.class_counts()),
        "checksums": data_set.checksums(),
        "validation_note": data_set.validation_note,
        "notes": list(data_set.all_notes),
    }


def _command() -> str:
    """Returns this process's command line, as it may be written down."""
    return shlex.join(["python", "-m", "training", *map(without_credentials, sys.argv[1:])])


def hardware() -> str:
    """Returns a description of the processors and accelerators of this computer."""
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    words = [f"{_counted(cores, 'core')}, {platform.machine()}, {platform.system()}"]
    if keras.backend.backend() != "torch":  # Keras 3.15 lists no devices of PyTorch
        kinds = [name.split(":")[0] for name in keras.distribution.list_devices()]
        words += [
            _counted(kinds.count(kind), kind.upper()) for kind in ("gpu", "tpu") if kind in kinds
        ]
    return ", ".join(words)


def _counted(count: int | None, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def plain(value: Any) -> Any:
    """Turns tuples into lists, as JSON does, so that a record equals itself after reading."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
