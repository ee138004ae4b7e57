"""MediaPipe's tasks-vision, the runtime of the static page: one version of an npm package.

It is 13 MB of WebAssembly, so this project does not contain it: npm fetches it, or a path is given.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "@mediapipe/tasks-vision", "1.1.0"
# Of the archive, as a package-lock.json states it.
INTEGRITY = (
    "sha512-ZJqh0wMKOINorfSffvDAxzyO1//c+FiG3IkzOdNDnLqvBB3DbMfj0bB"
    "/tys2SNf9S914sgoIbIpF4HTOi336cg=="
)
# The files that the page needs, with their SHA-256.
FILES = {
    "vision_bundle.mjs": "9d5fc9ef74b22329cf9aa88dc543956d192b8c254210b187271614713eb5b10c",
    "wasm/vision_wasm_internal.js": (
        "7c652617b5bef832f42878ce8c5f752b0724bca6054e4bc1013a37d4b1949723"
    ),
    "wasm/vision_wasm_internal.wasm": (
        "782eda3ec1f414fdb4f1d66a8b59093eb4d5ab437e06117796abf05962d68eef"
    ),
}
_GIVEN = (
    f"Give `tasks_vision` (--tasks-vision) the archive that `npm pack {PACKAGE}@{VERSION}` "
    f"writes, or the folder node_modules/{PACKAGE} after `npm install {PACKAGE}@{VERSION}`."
)


def tasks_vision_files(source: str | os.PathLike[str] | None = None) -> dict[str, bytes]:
    """Returns the files of the package that the page needs, checked.

    Args:
        source: path of the package's archive (.tgz), or of its folder. None, the default, fetches
            the archive with npm, from the registry and through the proxy that npm is set up for.

    Returns:
        Dict from names in the package to contents.

    Raises:
        FileNotFoundError: there is nothing at `source`.
        ValueError: it is another version, another package or damaged.
        OSError: npm is not installed, or could not fetch it.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return _checked(_of_archive(_fetched(Path(folder))), f"The archive of {PACKAGE}")
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"There is nothing at {source}. {_GIVEN}")
    return _checked(_of_folder(source) if source.is_dir() else _of_archive(source), str(source))


def _fetched(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError(f"Fetching {PACKAGE} needs npm, which is not installed. {_GIVEN}")
    command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = " ".join(done.stderr.split())[-300:]
        raise OSError(f"npm could not fetch {PACKAGE}@{VERSION}: {said or 'no reason given'}")
    return archives[0]


def _of_archive(path: Path) -> dict[str, bytes]:
    digest = hashlib.sha512(path.read_bytes()).digest()
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != INTEGRITY:
        raise ValueError(
            f"{path} is not {PACKAGE} {VERSION}, or is damaged: its integrity must be {INTEGRITY}. "
            f"It is {found}. {_GIVEN}"
        )
    with tarfile.open(path) as archive:
        members = {name: archive.extractfile(f"package/{name}") for name in FILES}
        return {name: member.read() for name, member in members.items() if member is not None}


def _of_folder(folder: Path) -> dict[str, bytes]:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} is not the folder of {PACKAGE}: it has no {missing[0]}. {_GIVEN}"
        )
    return {name: (folder / name).read_bytes() for name in FILES}


def _checked(files: dict[str, bytes], source: str) -> dict[str, bytes]:
    for name, sha256 in FILES.items():
        if hashlib.sha256(files.get(name, b"")).hexdigest() != sha256:
            raise ValueError(
                f"{name} in {source} is not that of {PACKAGE} {VERSION}, or is damaged. {_GIVEN}"
            )
    return files
