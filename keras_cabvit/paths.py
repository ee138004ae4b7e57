"""The one rule for paths: `~` is the home folder, and addresses of remote storage are refused."""

import os
import re
from pathlib import Path

from keras_cabvit.url_credentials import without_credentials

# `Path` turns "gs://bucket/run" into "gs:/bucket/run". A single letter is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_ADVICE = {
    "http": "Download it, and give the path of the file.",
    "https": "Download it, and give the path of the file.",
    "file": "Give only the path.",
}
_MOUNT = (
    "Mount the storage (Cloud Storage FUSE, s3fs, ...) and give the mounted path, or copy between "
    "it and a local path."
)


def local_path(path: str | os.PathLike, name: str = "path") -> Path:
    """Returns a path on this computer, with a leading `~` or `~user` expanded.

    Every path that a user gives, to read or to write, passes through this function. Without it
    `gs://bucket/run` would name a local folder `gs:`, and `~/run` a folder `~`.

    Args:
        path: path of a file or folder, which need not exist.
        name: string, the argument's name in error messages. Defaults to "path".

    Returns:
        A `pathlib.Path`.

    Raises:
        ValueError: `path` is an address, such as `gs://bucket/run`, or the home folder of an
            unknown user.

    Example:
        >>> from keras_cabvit.paths import local_path
        >>> local_path("~/runs").is_absolute()
        True
        >>> local_path("gs://bucket/run", "out")
        Traceback (most recent call last):
        ...
        ValueError: `out` must be a path on this computer. Received: gs://bucket/run. Mount ...
    """
    text = os.fspath(path)
    address = _ADDRESS.match(text)
    if address:
        scheme, rest = address[1], text[address.end() :]
        shown = f"{scheme}://{rest}"
        if ":" in rest.partition("@")[0]:  # a name alone is a container
            shown = without_credentials(shown)
        raise ValueError(
            f"`{name}` must be a path on this computer. Received: {shown}. "
            f"{_ADVICE.get(scheme.lower(), _MOUNT)}"
        )
    expanded = os.path.expanduser(text)
    if text.startswith("~") and expanded == text:
        raise ValueError(
            f"`{name}` begins with the home folder of a user who is unknown here. Received: "
            f"{text}. For a name that begins with ~, give the absolute path."
        )
    return Path(expanded)


def path_text(path: str | os.PathLike) -> str:
    r"""Returns a path as text that can be written as UTF-8: file names need not be.

    Bytes that are not UTF-8 become escapes.

    Example:
        >>> import os
        >>> from keras_cabvit.paths import path_text
        >>> path_text(os.fsdecode(b"caf\xe9.jpg"))
        'caf\\xe9.jpg'
    """
    return os.fsencode(path).decode(errors="backslashreplace")
