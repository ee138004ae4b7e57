"""Which operations of a .tflite file run in XNNPACK, LiteRT's fast kernels for CPUs."""

import collections
from dataclasses import dataclass


@dataclass(frozen=True)
class Delegation:
    """How a .tflite file is divided between XNNPACK and LiteRT's own kernels.

    Attributes:
        nodes: integer, pieces that XNNPACK runs; data is handed over at the edges of each.
        left_out: dict from the name of an operation to how many of them LiteRT runs itself.
    """

    nodes: int
    left_out: dict[str, int]


def delegation(path, threads=2):
    """Loads a .tflite file as an app does and says how it was divided.

    Args:
        path: the file.
        threads: integer, how many threads it may use. Defaults to 2.

    Returns:
        `Delegation`.

    Raises:
        ImportError: ai-edge-litert is not installed.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    operations = interpreter._get_ops_details()
    pieces = [operation for operation in operations if operation["op_name"] == "DELEGATE"]
    maker = {
        int(tensor): operation
        for operation in operations
        if operation["op_name"] != "DELEGATE"
        for tensor in operation["outputs"]
    }
    # The interpreter lists what it handed over too. A piece holds all between its inputs and its
    # outputs.
    handed_over = set()
    for piece in pieces:
        given = set(map(int, piece["inputs"]))
        wanted = [int(tensor) for tensor in piece["outputs"]]
        while wanted:
            operation = maker.get(wanted.pop())
            if operation is None or operation["index"] in handed_over:
                continue
            handed_over.add(operation["index"])
            wanted += [int(t) for t in operation["inputs"] if t >= 0 and int(t) not in given]
    left_out = collections.Counter(
        operation["op_name"]
        for operation in maker.values()
        if operation["index"] not in handed_over
    )
    return Delegation(len(pieces), dict(left_out.most_common()))
