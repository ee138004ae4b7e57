"""The prediction of an image file as a line of JSON."""

import json
import struct
from collections.abc import Iterable
from pathlib import Path

from keras_cabvit.paths import path_text


def prediction_line(path: Path, classes: Iterable[tuple[str, int, float]], error: str) -> str:
    """Returns an object with `file`, `classes` and `error`, without the end of the line.

    `classes` is a list of objects with `class`, `number` and `probability`; `error` may be null.

    Args:
        path: path of the image file.
        classes: tuples of a class' name, number and probability, a float32, of which the line has
            the digits that `shortest` returns.
        error: empty, or the reason for which the file has no classes.
    """
    content = {
        "file": path_text(path),
        "classes": [
            {"class": name, "number": number, "probability": shortest(probability)}
            for name, number, probability in classes
        ],
        "error": error or None,
    }
    return json.dumps(content, ensure_ascii=False)


def shortest(number: float) -> float:
    """Returns the decimal number with the fewest digits that is the same float32."""
    exact = struct.pack("f", number)
    rounded = (float(f"{number:.{digits}g}") for digits in range(6, 10))  # 9 suffice for any
    return next((each for each in rounded if struct.pack("f", each) == exact), number)
