"""The process that runs a .tflite file on LiteRT's GPU accelerator, which may end the process.

Run as a file, because the package would import Keras: `python gpu_accelerator_process.py MODEL
FOLDER`. It compiles the model, prints a line of JSON, and then for each line of its standard input
runs the model on FOLDER/images.npy, writes FOLDER/scores.npy and prints a line of JSON. LiteRT's
own messages are printed to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np


def main() -> None:
    """Answers the requests of `keras_cabvit.runtimes.gpu_accelerator`."""
    model, folder = map(Path, sys.argv[1:3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        from ai_edge_litert.compiled_model import CompiledModel, HardwareAccelerator

        accelerators = HardwareAccelerator.GPU | HardwareAccelerator.CPU
        compiled = CompiledModel.from_file(str(model), hardware_accel=accelerators)
    except (ImportError, RuntimeError) as error:
        _answer(answers, {"error": str(error)})
        return
    _answer(answers, {})
    signature = next(iter(compiled.get_signature_list()))
    (output,) = compiled.get_output_tensor_details(signature).values()
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    for _ in sys.stdin:
        scores = []
        for image in np.load(folder / "images.npy"):
            inputs[0].write(np.ascontiguousarray(image[None]))
            compiled.run_by_index(0, inputs, outputs)
            read = outputs[0].read(int(np.prod(output["shape"])), np.dtype(output["dtype"]).type)
            scores.append(np.array(read).reshape(output["shape"])[0])
        np.save(folder / "scores.npy", np.stack(scores))
        _answer(answers, {})


def _answer(answers: TextIO, values: dict[str, Any]) -> None:
    print(json.dumps(values), file=answers, flush=True)


if __name__ == "__main__":
    main()
