"""Size of a file or of a directory."""

import os
from pathlib import Path


def size_on_disk(path: str | os.PathLike[str]) -> int:
    """Returns the size in bytes of a file, or of all files in a directory."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
