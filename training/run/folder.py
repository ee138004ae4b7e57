"""The folder of a run, trained in by one process at a time."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from keras_cabvit.atomic_files import atomic_path, write_text_atomically
from keras_cabvit.runtimes.run_record import read_run
from training.data.image_list import IMAGES_FILE


@contextlib.contextmanager
def claimed(folder: Path, record: dict, found: dict | None) -> Iterator[None]:
    """Writes a run's record, and keeps other processes out of its folder until the block ends.

    A block that fails before it has written anything else leaves the folder as it was.

    Args:
        folder: path.
        record: dict, for run.json.
        found: dict, the run.json that was read before, or None.

    Raises:
        ValueError: another process is training there, or wrote run.json in the meantime.
        OSError: the folder cannot be written to.
    """
    with _no_empty_folders(folder), contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(filelock.FileLock(folder / ".lock", blocking=False))
            if read_run(folder) != found:
                raise ValueError(
                    f"Another process has just written to {folder}. Start the command again."
                )
            held.enter_context(_restored_if_refused(folder))
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


@contextlib.contextmanager
def _no_empty_folders(folder: Path) -> Iterator[None]:
    """Removes the folders that a failing block has created and left empty."""
    missing = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    try:
        yield
    except BaseException:
        for each in missing:
            with contextlib.suppress(OSError):  # something is in it
                each.rmdir()
        raise


@contextlib.contextmanager
def _restored_if_refused(folder: Path) -> Iterator[None]:
    """Restores what a start writes if the block fails before it has written anything else.

    Settings may be refused as late as while the model is built.
    """
    files = (folder / "run.json", folder / IMAGES_FILE, folder / "mlflow.json")
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    others = _entries(folder) - {*files}
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the block's own error is the one to report
            if _entries(folder) - {*files} == others:
                for file, content in before.items():
                    if content is None:
                        file.unlink(missing_ok=True)
                    else:
                        with atomic_path(file) as partial:
                            partial.write_bytes(content)
                # While it is held: a process that opens it now finds that it was removed.
                (folder / ".lock").unlink(missing_ok=True)
        raise


def _entries(folder: Path) -> set[Path]:
    """Returns the paths of everything in a run's folder, its checkpoints included."""
    return {*folder.iterdir(), *(folder / "checkpoints").glob("*")}
