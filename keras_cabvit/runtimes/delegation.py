"""Division of a .tflite file between XNNPACK, LiteRT's fast CPU kernels, and its other kernels."""

import collections
import os
from dataclasses import dataclass
from typing import Any

from keras_cabvit.runtimes.reading import read_tflite


@dataclass(frozen=True)
class Delegation:
    """Division of a .tflite file between XNNPACK and LiteRT's own kernels.

    Attributes:
        nodes: integer, number of pieces that XNNPACK runs; data is handed over at their edges.
        left_out: dict from an operation's name to the number of times that LiteRT runs it itself.
    """

    nodes: int
    left_out: dict[str, int]


def delegation(path: str | os.PathLike[str], threads: int = 2) -> Delegation:
    """Loads a .tflite file as an app would, and returns its division.

    Args:
        path: path of the file.
        threads: integer, maximum number of threads. Defaults to 2.

    Returns:
        `Delegation`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model, or not one that LiteRT can run; or `threads` is not a
            positive integer.
        ImportError: ai-edge-litert is not installed.
    """
    operations: list[dict[str, Any]] = read_tflite(path, threads)._get_ops_details()
    pieces = [operation for operation in operations if operation["op_name"] == "DELEGATE"]
    maker = {
        int(tensor): operation
        for operation in operations
        if operation["op_name"] != "DELEGATE"
        for tensor in operation["outputs"]
    }
    # The interpreter also lists the operations that it delegated. A piece holds everything
    # between its inputs and its outputs.
    handed_over = set()
    for piece in pieces:
        given = set(map(int, piece["inputs"]))
        wanted = [int(tensor) for tensor in piece["outputs"]]
        while wanted:
            producer = maker.get(wanted.pop())
            if producer is None or producer["index"] in handed_over:
                continue
            handed_over.add(producer["index"])
            wanted += [int(t) for t in producer["inputs"] if t >= 0 and int(t) not in given]
    left_out = collections.Counter(
        operation["op_name"]
        for operation in maker.values()
        if operation["index"] not in handed_over
    )
    return Delegation(len(pieces), dict(left_out.most_common()))
