"""What the folder of a run holds before a command trains in it."""

import dataclasses
from pathlib import Path

from keras_cabvit.runtimes.run_record import read_run
from training.run.checkpoints import CheckpointFolder
from training.run.results import is_finished


@dataclasses.dataclass(frozen=True, eq=False)
class FoundRun:
    """What a folder holds before a command trains in it.

    Attributes:
        record: dict, the content of run.json, or None.
        checkpoints: `CheckpointFolder`.
        is_finished: whether the run is finished, and its results are there.
    """

    record: dict | None
    checkpoints: CheckpointFolder
    is_finished: bool

    @property
    def resumed(self) -> dict | None:
        """The run.json of the run that is resumed; None if there is nothing to resume from.

        There is none, either, if a run has failed before its first checkpoint.
        """
        return self.record if self.is_finished or self.checkpoints else None


def found_run(folder: Path) -> FoundRun:
    """Looks for a run in a folder.

    Raises:
        ValueError: the folder holds what a run would replace, or checkpoints of an unknown run.
    """
    record = read_run(folder)
    checkpoints = CheckpointFolder(folder / "checkpoints")
    if record is None:
        _check_not_of_seeds(folder)
        if checkpoints:
            raise ValueError(
                f"{folder} holds checkpoints, but no run.json that says of which run. Restore "
                f"run.json from a copy; or train anew: remove {checkpoints.path}, or choose "
                "another folder with --out."
            )
    elif "data" not in record and (folder / "model.weights.h5").is_file():
        raise ValueError(
            f"{folder} holds a run of `train-in-memory`, whose run.json would be replaced: choose "
            "another folder with --out."
        )
    return FoundRun(record, checkpoints, is_finished(record, folder))


def _check_not_of_seeds(folder: Path) -> None:
    """Raises a ValueError if a folder holds the runs of several seeds, which it would hide."""
    seeds = sorted(file.parent.name for file in folder.glob("seed_*/run.json"))
    if seeds:
        raise ValueError(
            f"{folder} holds a run for each seed, such as {seeds[0]}: choose another folder with "
            "--out, or resume them with --seeds."
        )
