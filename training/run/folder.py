"""The folder of a run, trained in by one process at a time."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import filelock

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.runtimes.run_record import read_run


@contextlib.contextmanager
def claimed(folder: Path, record: dict, found: dict | None) -> Iterator[None]:
    """Writes a run's record, and keeps other processes out of its folder until the block ends.

    Args:
        folder: path.
        record: dict, for run.json.
        found: dict, the run.json that was read before, or None.

    Raises:
        ValueError: another process is training there, or wrote run.json in the meantime.
        OSError: the folder cannot be written to.
    """
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(filelock.FileLock(folder / ".lock", blocking=False))
            if read_run(folder) != found:
                raise ValueError(
                    f"Another process has just written to {folder}. Start the command again."
                )
            write_record(folder, record)
        except filelock.Timeout as error:
            raise ValueError(
                f"Another process is already training in {folder}. Wait until it ends, stop it "
                "(it saves its state), or choose another folder with --out. If you know that there "
                f"is none, remove {folder / '.lock'}."
            ) from error
        except OSError as error:
            reason = str(error.strerror or error).rstrip(".")
            raise OSError(
                f"The folder of the run, {folder}, cannot be written to: {reason}. "
                "Choose another one with --out, free some space or "
                "grant the right to write."
            ) from error
        yield


def write_record(folder: Path, record: dict) -> None:
    """Writes run.json."""
    write_text_atomically(folder / "run.json", json.dumps(record, indent=2) + "\n")
