"""The process that tries the operations of a .tflite file one by one on LiteRT's GPU accelerator.

Run as a file, because the package would import Keras: `python gpu_operations_process.py MODEL
NAMES`. It tries the operations whose names are among NAMES, separated by commas, or all with "*",
and prints a line of JSON: for every operation of the file its name, its inputs and outputs, and
whether the accelerator refuses it. LiteRT itself says so only by name, and refuses some of a name
for their shapes.
"""

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Prints the operations."""
    from ai_edge_litert import schema_py_generated as schema

    content = Path(sys.argv[1]).read_bytes()
    names = set(sys.argv[2].split(","))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.offset > 1:  # after the flatbuffer
            buffer.data = np.frombuffer(content, "uint8", buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    titles = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    graph = model.subgraphs[0]
    dequantizers = _dequantizers(model, graph)
    known: dict[bytes, bool] = {}
    operations = []
    for operator in graph.operators:
        name = titles[model.operatorCodes[operator.opcodeIndex].builtinCode]
        refused = False
        outputs = list(map(int, operator.outputs))
        # A constant's conversion is part of the operation that takes it.
        if ("*" in names or name in names) and outputs[0] not in dequantizers:
            alone = _alone(model, graph, operator, dequantizers)
            if alone not in known:
                known[alone] = _is_refused(alone)
            refused = known[alone]
        inputs = [int(tensor) for tensor in operator.inputs if tensor >= 0]
        operations.append({"name": name, "inputs": inputs, "outputs": outputs, "refused": refused})
    print(json.dumps(operations), file=answers, flush=True)


def _is_refused(content: bytes) -> bool:
    from ai_edge_litert.compiled_model import CompiledModel, HardwareAccelerator

    try:
        CompiledModel.from_buffer(content, hardware_accel=HardwareAccelerator.GPU)
    except RuntimeError:
        return True
    return False


def _dequantizers(model: Any, graph: Any) -> dict[int, Any]:
    """Returns the operations that only convert a constant, by the number of their output."""
    from ai_edge_litert import schema_py_generated as schema

    return {
        int(each.outputs[0]): each
        for each in graph.operators
        if model.operatorCodes[each.opcodeIndex].builtinCode == schema.BuiltinOperator.DEQUANTIZE
        and model.buffers[graph.tensors[each.inputs[0]].buffer].data is not None
    }


def _alone(model: Any, graph: Any, operator: Any, dequantizers: dict[int, Any]) -> bytes:
    """Returns a model of one operation, with its constants and what dequantises them."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    places: dict[int, int] = {-1: -1}
    part = schema.ModelT()
    part.version, part.operatorCodes = model.version, model.operatorCodes
    part.buffers = [schema.BufferT()]
    cut = schema.SubGraphT()
    cut.tensors, cut.inputs, cut.operators = [], [], []
    part.subgraphs = [cut]

    def place(index: int, is_output: bool = False) -> int:
        if index in places:
            return places[index]
        places[index] = len(cut.tensors)
        tensor = copy.copy(graph.tensors[index])
        data = model.buffers[tensor.buffer].data
        tensor.buffer, tensor.name = 0, b"%d" % places[index]
        cut.tensors.append(tensor)
        if data is not None:
            tensor.buffer = len(part.buffers)
            part.buffers.append(schema.BufferT())
            part.buffers[-1].data = data
        elif not is_output and index in dequantizers:
            add(dequantizers[index])
        elif not is_output:
            cut.inputs.append(places[index])
        return places[index]

    def add(operator: Any) -> None:
        copied = copy.copy(operator)
        copied.inputs = [place(int(index)) for index in operator.inputs]
        copied.outputs = [place(int(index), is_output=True) for index in operator.outputs]
        cut.operators.append(copied)

    add(operator)
    cut.outputs = cut.operators[-1].outputs
    builder = flatbuffers.Builder(2**16)
    builder.Finish(part.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    main()
