"""Runs a SavedModel through TensorFlow's C API, as a server does, without TensorFlow's Python.

usage: run_with_c_api.py TENSORFLOW_FOLDER SAVED_MODEL INPUT_TENSOR OUTPUT_TENSOR in.npy out.npy
"""

import ctypes
import sys

import numpy as np

TYPES = {np.dtype("float32"): 1, np.dtype("uint8"): 4}
POINTER = ctypes.c_void_p


class Output(ctypes.Structure):
    _fields_ = [("operation", POINTER), ("index", ctypes.c_int)]


class Library:
    """The functions of the shared library, all of which check a common status at the end."""

    def __init__(self, folder):
        ctypes.CDLL(f"{folder}/libtensorflow_framework.so.2", mode=ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(f"{folder}/libtensorflow_cc.so.2", mode=ctypes.RTLD_GLOBAL)
        self.status = self.call("TF_NewStatus", POINTER)

    def call(self, name, result, *arguments):
        function = getattr(self._library, name)
        function.restype = result
        return function(*arguments)

    def check(self):
        if self.call("TF_GetCode", ctypes.c_int, POINTER(self.status)):
            raise RuntimeError(self.call("TF_Message", ctypes.c_char_p, POINTER(self.status)))


def main(folder, saved_model, input_name, output_name, source, target):
    library = Library(folder)
    graph = POINTER(library.call("TF_NewGraph", POINTER))
    session = library.call(
        "TF_LoadSessionFromSavedModel",
        POINTER,
        POINTER(library.call("TF_NewSessionOptions", POINTER)),
        None,
        saved_model.encode(),
        (ctypes.c_char_p * 1)(b"serve"),
        1,
        graph,
        None,
        POINTER(library.status),
    )
    library.check()

    def tensor(name):
        operation, _, index = name.partition(":")
        found = library.call("TF_GraphOperationByName", POINTER, graph, operation.encode())
        return ctypes.byref(Output(found, int(index)))

    values = np.load(source)
    shape = (ctypes.c_int64 * values.ndim)(*values.shape)
    size = ctypes.c_size_t(values.nbytes)
    fed = library.call("TF_AllocateTensor", POINTER, TYPES[values.dtype], shape, values.ndim, size)
    ctypes.memmove(library.call("TF_TensorData", POINTER, POINTER(fed)), values.tobytes(), size)
    result = (POINTER * 1)()
    library.call(
        "TF_SessionRun",
        None,
        POINTER(session),
        None,
        tensor(input_name),
        (POINTER * 1)(fed),
        1,
        tensor(output_name),
        result,
        1,
        None,
        0,
        None,
        POINTER(library.status),
    )
    library.check()
    got = POINTER(result[0])
    count = library.call("TF_TensorByteSize", ctypes.c_size_t, got)
    content = ctypes.string_at(library.call("TF_TensorData", POINTER, got), count)
    scores = np.frombuffer(content, "float32").reshape(len(values), -1)
    if "tensorflow" in sys.modules:
        raise RuntimeError("TensorFlow's Python was imported.")
    np.save(target, scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
