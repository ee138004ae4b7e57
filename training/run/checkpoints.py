"""Checkpoints: everything that a killed run needs to resume as if nothing had happened."""

import contextlib
import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.atomic_files import atomic_path, remove_abandoned
from keras_cabvit.paths import local_path

_NAME = re.compile(r"step_(\d{9})\.npz")
_PROGRESS = "progress"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        arrays: dict from a name to a numpy array: weights, averages, optimizer, random state.
        progress: dict that JSON can represent: the step, the history and the like.
        damaged: paths of later checkpoints that cannot be read.
    """

    arrays: dict[str, np.ndarray]
    progress: dict
    damaged: tuple[Path, ...] = ()


class CheckpointFolder:
    """The checkpoints of one run, of which the latest two are kept.

    A file is written under a hidden name, flushed to the disk and renamed, so that a checkpoint is
    complete or absent whenever the process is killed.

    Args:
        path: path of the folder; the first checkpoint creates it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = local_path(path)

    def write(self, step: int, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint of a step, and removes all but the latest two.

        Args:
            step: integer, batches trained so far.
            checkpoint: `Checkpoint`.

        Raises:
            OSError: it cannot be written. Earlier checkpoints are unchanged.
        """
        progress = np.frombuffer(json.dumps(checkpoint.progress).encode(), np.uint8)
        path = self.path / _name(step)
        try:
            # At once: leftovers are large, and no other process writes here.
            remove_abandoned(self.path, "step_*.npz", seconds=0)
            with atomic_path(path) as partial:
                arrays: dict[str, Any] = checkpoint.arrays | {_PROGRESS: progress}
                np.savez(partial, **arrays)
        except OSError as error:
            reason = str(error.strerror or error).rstrip(".")
            raise OSError(
                f"The checkpoint of step {step} could not be written to {self.path}: {reason}. "
                "Earlier checkpoints are unchanged; free some "
                "space or grant the right to write, and the same command resumes from them."
            ) from error
        # A later one may be there, if it cannot be read: the one just written stays in any case.
        for _, old in [each for each in self._files() if each[1] != path][:-1]:
            old.unlink(missing_ok=True)

    def read_latest(self) -> Checkpoint | None:
        """Returns the latest `Checkpoint` that can be read, or None if there is none.

        Raises:
            ValueError: there are checkpoints, but none can be read.
        """
        errors: dict[Path, str] = {}
        for _, path in reversed(self._files()):
            try:
                with np.load(path) as stored:
                    arrays = {name: stored[name] for name in stored.files}
                progress = json.loads(arrays.pop(_PROGRESS).tobytes())
                return Checkpoint(arrays, progress, tuple(errors))
            except (
                *(OSError, EOFError, ValueError, KeyError),
                # With an unknown kind of compression, or seemingly encrypted.
                *(zipfile.BadZipFile, NotImplementedError, RuntimeError),
            ) as error:
                errors[path] = f"{path.name}: {str(error).rstrip('.')}."
        if errors:
            raise ValueError(
                f"No checkpoint in {self.path} can be read, so the run cannot be resumed. Restore "
                f"one from a copy; or train anew: remove {self.path}, or choose another folder "
                f"with --out. {' '.join(errors.values())}"
            )
        return None

    def remove(self, step: int) -> None:
        """Removes the checkpoint of a step, if there is one."""
        (self.path / _name(step)).unlink(missing_ok=True)

    def remove_all(self) -> int:
        """Removes all checkpoints, and the folder if nothing else is in it.

        Returns:
            The number of bytes that were freed.

        Raises:
            OSError: one cannot be removed.
        """
        remove_abandoned(self.path, "step_*.npz", seconds=0)
        freed = self.size()
        for _, path in self._files():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files are in it, or it does not exist
            self.path.rmdir()
        return freed

    def size(self) -> int:
        """Returns the size of all checkpoints in bytes."""
        return sum(path.stat().st_size for _, path in self._files())

    def __bool__(self) -> bool:
        """Whether there is a checkpoint, readable or not."""
        return bool(self._files())

    def _files(self) -> list[tuple[int, Path]]:
        if not self.path.is_dir():
            return []
        found = ((_NAME.fullmatch(path.name), path) for path in self.path.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)


def _name(step: int) -> str:
    return f"step_{step:09d}.npz"
