"""Perceptual hashes of image files, which change little when an image does."""

import collections
import contextlib
import hashlib
import os
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from keras_cabvit.atomic_files import atomic_path
from keras_cabvit.weights.cache import cache_folder
from training.data.split import file_digest

# A hash of 16x16 bits: the signs of the lowest frequencies of an image of 64x64 pixels. Unrelated
# photographs differ in about half of them, and 256 bits keep these apart better than the usual 64.
BITS = 256
_SIDE = 64
# In grey levels. An image without contrast has no frequencies, only noise.
_LEAST_CONTRAST = 2.0
# Hashes of fewer images take less than a second or two and are not stored.
_FEWEST_STORED = 500
_SECONDS_BETWEEN_REPORTS = 5
_END = 4096


def perceptual_hashes(root: Path, files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the perceptual hashes of image files (`imagehash.phash` with 16x16 bits).

    JPEG files are decoded at the smallest scale that has 128 pixels. The hashes of 500 images or
    more are stored beside the downloaded weights, and a file with the same size and time of change
    is not read again. A line is printed every five seconds.

    Args:
        root: folder.
        files: paths relative to `root`.

    Returns:
        hashes: uint8 array (files, 32), the bits packed.
        known: boolean array (files,): false for files that Pillow cannot read and for images
            without contrast.

    Raises:
        ImportError: ImageHash is not installed.
    """
    try:
        import imagehash  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Near duplicates among the images of a folder are found with a package that is not "
            'installed: pip install "keras-cabvit[train]". Without it, train with '
            "--no-group-duplicates."
        ) from error
    hashes = np.zeros((len(files), BITS // 8), np.uint8)
    known = np.zeros(len(files), bool)
    states = [_state(root / file) for file in files]
    stored = _read_stored(root) if len(files) >= _FEWEST_STORED else {}
    missing = []
    for number, (file, state) in enumerate(zip(files, states, strict=True)):
        found = stored.get((file, *state))
        if found is None:
            missing.append(number)
        else:
            hashes[number], known[number] = found
    started = reported = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about files that it can read
        results = pool.map(_hash, [root / files[number] for number in missing])
        for done, (number, result) in enumerate(zip(missing, results, strict=True), 1):
            if result is not None:
                hashes[number], known[number] = result, True
            now = time.monotonic()
            if now - reported >= _SECONDS_BETWEEN_REPORTS:
                reported = now
                print(
                    f"Looking for near duplicates: {done:,} of {len(missing):,} images after "
                    f"{now - started:.0f} s.",
                    flush=True,
                )
    if missing and len(files) >= _FEWEST_STORED:
        _store(root, files, states, hashes, known)
    return hashes, known


def content_numbers(root: Path, files: Sequence[str]) -> np.ndarray:
    """Numbers files by their content: files with the same bytes have the same number.

    Only files that share their size are read, and of these only the beginning and the end unless
    another file has them too.

    Args:
        root: folder.
        files: paths relative to `root`.

    Returns:
        An integer array (files,).
    """
    known: list[Any] = [_state(root / file)[0] or file for file in files]
    for digest in (_ends_digest, file_digest):
        counts = collections.Counter(known)
        for number, (file, each) in enumerate(zip(files, known, strict=True)):
            if counts[each] > 1:
                try:
                    known[number] = (each, digest(root / file))
                except OSError:  # training reports it as broken
                    known[number] = file
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in known], np.int64)


def _ends_digest(path: Path) -> bytes:
    """Returns the SHA-256 of the first and the last 4 KiB of a file."""
    with open(path, "rb") as file:
        start = file.read(_END)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _END))
        return hashlib.sha256(start + file.read(_END)).digest()


def _hash(path: Path) -> np.ndarray | None:
    import imagehash
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image.draft("L", (2 * _SIDE, 2 * _SIDE))
            with contextlib.suppress(Exception):  # of a tag that cannot be written, after the turn
                ImageOps.exif_transpose(image, in_place=True)
            pixels: Image.Image = image
            if image.mode.startswith("I"):  # the upper eight bits, as they are trained on
                pixels = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            small = pixels.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
        if np.std(np.asarray(small)) < _LEAST_CONTRAST:
            return None
        return np.packbits(imagehash.phash(small, hash_size=16).hash)
    except Exception:  # Pillow raises errors of many kinds; training reports broken images
        return None


def _state(path: Path) -> tuple[int, int]:
    """Returns size and time of change of a file; zeros if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _place(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    # 2: earlier versions hashed images of 16 bits otherwise.
    return cache_folder() / "image_hashes" / f"{name}-2.npz"


def _read_stored(root: Path) -> dict[tuple[str, int, int], tuple[np.ndarray, bool]]:
    try:
        with np.load(_place(root)) as stored:
            names, states = stored["names"].tolist(), stored["states"].tolist()
            values = zip(stored["hashes"], stored["known"].tolist(), strict=True)
            return {
                (os.fsdecode(bytes.fromhex(name)), *state): value
                for name, state, value in zip(names, states, values, strict=True)
            }
    except Exception:  # there is none, or it is damaged: it is written anew
        return {}


def _store(
    root: Path,
    files: Sequence[str],
    states: Sequence[tuple[int, int]],
    hashes: np.ndarray,
    known: np.ndarray,
) -> None:
    try:
        place = _place(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place) as partial, open(partial, "wb") as file:
            np.savez(
                file,
                names=np.array([os.fsencode(name).hex() for name in files]),
                states=np.array(states, np.int64),
                hashes=hashes,
                known=known,
            )
    except (OSError, ValueError):
        pass  # they are computed again the next time
