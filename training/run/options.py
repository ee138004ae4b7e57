"""Options of a run besides its recipe."""

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Options of a run besides its recipe.

    Attributes:
        data: "tfds:NAME", "tfds:NAME[:50%]" or "tfds:PATH", "folder:PATH", "fashion_mnist" or
            "elpv".
        out: folder of the run. The same command resumes a run that was stopped in it.
        strategy: the devices: auto, single, mirrored, tpu or data_parallel.
        seed: seed of the initial weights, the order of the images and their augmentation, from 0 to
            2**32 - 1.
        split_seed: seed of the split into training and validation images, from 0 to 2**32 - 1.
        checkpoint_minutes: time between two checkpoints inside an epoch; 0 writes one after each
            step.
        deterministic: whether TensorFlow uses only operations that always give the same bits, even
            if they are slower.
        log: places for the scores of every epoch besides metrics.csv: "tensorboard" writes
            OUT/tensorboard; "mlflow:URI" records the run in MLflow, for example in the file of
            mlflow:sqlite:///runs.db, and "mlflow" where MLflow itself is told to. A bare --log
            writes none.
        change_optimization: whether a run may be resumed with other options of the optimization:
            with a smaller learning rate after it diverged, for example.
        keep_checkpoints: whether the checkpoints stay when the run is finished. They are much
            larger than its model.
        extend: folder of a finished run whose model this one starts from, as its recipe and on its
            data, to which images may have been added.
        reduced_copies: whether copies of large photographs, in an eighth or a quarter of their
            size, are kept in OUT/reduced while training, so that the files are decoded once and not
            in every epoch. The training images are the same.
        labels: table with the columns file, class and optionally split, for the images of a folder;
            by default its folders are the classes.
    """

    data: str
    out: Path
    strategy: str = "auto"
    seed: int = 0
    split_seed: int = 0
    checkpoint_minutes: float = 10.0
    deterministic: bool = False
    log: tuple[str, ...] = ("tensorboard",)
    change_optimization: bool = False
    keep_checkpoints: bool = False
    extend: Path | None = None
    labels: Path | None = None
    reduced_copies: bool = True


def check_options(options: TrainOptions, recorded: dict | None = None) -> None:
    """Refuses numbers that are out of range.

    Args:
        options: `TrainOptions`.
        recorded: dict, run.json of the run that is resumed, or None. Its `split_seed` is not
            checked: earlier versions took any.

    Raises:
        ValueError: the message names the first such option, and its range.
    """
    check_seed(options.seed)
    if recorded is None or recorded.get("split_seed") != options.split_seed:
        check_seed(options.split_seed, "split_seed")
    if not options.checkpoint_minutes >= 0:
        raise ValueError(
            f"`checkpoint_minutes` must be at least 0. Received: {options.checkpoint_minutes}"
        )


def check_seed(seed: int, option: str = "seed") -> None:
    """Raises a ValueError that names an option if its value is not a seed."""
    if not is_seed(seed):
        raise ValueError(f"`{option}` must be an integer from 0 to 2**32 - 1. Received: {seed!r}")


def is_seed(value: Any) -> bool:
    """Returns whether a value is an integer that every random generator takes as a seed."""
    return type(value) is int and 0 <= value < 2**32
