"""Division of the operations of a .tflite file between LiteRT's GPU accelerator and the CPU."""

import collections
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any


def operations_of(
    path: str | os.PathLike[str], kinds: Collection[str], environment: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Returns the operations of a file, some of which are tried on the accelerator one by one.

    Args:
        path: path of the file.
        kinds: names of the kinds to try, such as "RESHAPE"; "*" stands for all.
        environment: variables of the process in which they are tried.

    Returns:
        List of dicts: `name` of the kind, `inputs` and `outputs`, numbers of tensors, and
        `refused`, whether the accelerator refuses the operation. If one of them crashes the
        accelerator, all of these kinds count as refused.
    """
    program = Path(__file__).with_name("gpu_operations_process.py")
    command = [sys.executable, "-P", str(program), str(path)]
    for tried in (kinds, ()):
        process = subprocess.run(
            [*command, ",".join(tried)],
            env=dict(environment),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if process.returncode == 0:
            break
    else:
        raise RuntimeError(f"The operations of {path} cannot be listed:\n{process.stderr}")
    found: list[dict[str, Any]] = json.loads(process.stdout)
    if tried is not kinds:
        for operation in found:
            operation["refused"] = operation["name"] in kinds or "*" in kinds
    return found


def divided(
    operations: Sequence[Mapping[str, Any]], taken: int | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Counts the operations of each kind that the accelerator takes and leaves.

    It takes one piece: the largest group of accepted operations that can run without a refused one
    in between.

    Args:
        operations: list from `operations_of`.
        taken: integer, the number that LiteRT says are taken; None for all. If the largest piece
            has another number, all that are not refused count as taken.

    Returns:
        Two dicts from the name of a kind to a number, the most frequent first.
    """
    numbers = set(range(len(operations)))
    inside = numbers
    if taken is not None:
        inside = set(sorted(_pieces(operations), key=len)[-1])
        if len(inside) != taken:
            inside = {number for number in numbers if not operations[number]["refused"]}
    counts = (
        collections.Counter(operations[number]["name"] for number in sorted(part))
        for part in (inside, numbers - inside)
    )
    taken_kinds, left_kinds = (dict(count.most_common()) for count in counts)
    return taken_kinds, left_kinds


def counted(kinds: Mapping[str, int]) -> str:
    """Returns counts of kinds as text: "3 ADD, 1 PAD"."""
    return ", ".join(f"{count} {name}" for name, count in kinds.items())


def _pieces(operations: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Returns groups of accepted operations, as LiteRT forms them.

    A group grows by all operations of its sort, accepted or refused, whose inputs are there; then
    one of the other sort begins.
    """
    missing = {tensor for operation in operations for tensor in operation["outputs"]}
    waiting = list(range(len(operations)))
    pieces: list[list[int]] = [[]]
    while waiting:
        piece: list[int] = []
        grown = True
        while grown:
            grown = False
            for number in list(waiting):
                operation = operations[number]
                same = not piece or operation["refused"] == operations[piece[0]]["refused"]
                if same and missing.isdisjoint(operation["inputs"]):
                    piece.append(number)
                    missing.difference_update(operation["outputs"])
                    waiting.remove(number)
                    grown = True
        if not piece:
            break  # a circle, which no model has
        if not operations[piece[0]]["refused"]:
            pieces.append(piece)
    return pieces
