"""Traffic of a compiled program between a TPU and its main memory.

The compiler's own count of bytes includes traffic within the chip. The text of its program says
which arrays lie in the chip's fast memory, and which in the main memory (HBM).
"""

import math
import re

_INSTRUCTION = re.compile(r"\s*(?:ROOT )?(%[\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)")
_OPERAND = re.compile(r"%[\w.\-]+")
# Such as bf16[64,96]{1,0:T(8,128)(2,1)S(1)}: type, sides, the order of the axes from the contiguous
# one on, tiles, and the memory, which is the main one unless it is named.
_ARRAY = re.compile(r"\b([a-z]+)(\d*)\w*\[([\d,]*)\](?:\{([\d,]*)([^}]*)\})?")
_TILE = re.compile(r"T\(([\d,]+)\)")
_ELSEWHERE = re.compile(r"S\([1-9]\d*\)")
# They name existing arrays. The ends of asynchronous copies are among them: the traffic of such a
# copy is counted at its start.
_MOVE_NOTHING = {
    "bitcast",
    "constant",
    "copy-done",
    "get-tuple-element",
    "optimization-barrier",
    "parameter",
    "slice-done",
    "tuple",
}


def main_memory_traffic(program: str) -> int:
    """Returns the bytes that a compiled program reads from and writes to a device's main memory.

    Each operation reads its operands and writes its results, completely and once, with the padding
    of their tiles. A loop counts as one operation; the training steps of this project have none.

    Args:
        program: string, a scheduled HLO module for a TPU: `as_text()` of JAX's compiled function.
    """
    arrays, traffic = {}, 0
    for line in program[program.index("\nENTRY ") :].splitlines():
        found = _INSTRUCTION.match(line)
        if found is None:
            continue
        name, shape, operation, rest = found.groups()
        arrays[name] = _bytes_in_main_memory(shape)
        if operation in _MOVE_NOTHING or 'custom_call_target="ConcatBitcast"' in rest:
            continue
        if operation == "slice-start":
            traffic += _of_sliced_copy(shape)
        elif operation == "copy-start":
            # Its result names source and destination.
            traffic += sum(arrays[name])
        else:
            operands = set(_OPERAND.findall(rest.partition("), ")[0]))
            traffic += sum(arrays[name])
            traffic += sum(sum(arrays.get(operand, ())) for operand in operands)
    return traffic


def _of_sliced_copy(shape: str) -> int:
    """Returns the bytes of a copy whose result names the whole source and the copied slice."""
    source, destination, *_ = (found[0] for found in _ARRAY.finditer(shape))
    moved = _bytes_in_main_memory(_ELSEWHERE.sub("", destination))
    ends = (_bytes_in_main_memory(source), _bytes_in_main_memory(destination))
    return sum(sum(moved) for end in ends if sum(end))


def _bytes_in_main_memory(shape: str) -> list[int]:
    """Returns the bytes of each array of a shape, 0 for those in other memory."""
    return [
        0 if _ELSEWHERE.search(layout) else _padded_bytes(kind, bits, sides, order, layout)
        for kind, bits, sides, order, layout in _ARRAY.findall(shape)
    ]


def _padded_bytes(kind: str, bits: str, sides: str, order: str, layout: str) -> int:
    lengths = [int(side) for side in sides.split(",") if side]
    tile = _TILE.search(layout)
    if tile and order:
        axes = [int(axis) for axis in order.split(",")]
        of_tile = [int(side) for side in reversed(tile[1].split(","))]
        for axis, side in zip(axes, of_tile, strict=False):
            lengths[axis] = math.ceil(lengths[axis] / side) * side
    # A boolean takes a byte; the other types have their bits in the name.
    return math.prod(lengths) * (int(bits) // 8 if bits else int(kind == "pred"))
