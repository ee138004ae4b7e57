"""Int8 for selected operations of a TFLite model.

The converter's own int8 includes the depthwise convolutions, for which XNNPACK does not support
ranges measured at run time: they would fall back to slow kernels and cut the graph into pieces.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_cabvit.export.tflite.flatbuffer import unpack


def with_int8_products(content: bytes) -> bytes:
    """Returns a model whose dense layers and convolutions multiply in int8.

    The range of the activations is measured at run time.

    Args:
        content: bytes of a float32 .tflite file whose buffers lie in its flatbuffer.
    """
    quantizer, operations = _quantizer(content)
    for operation in operations:
        quantizer.add_dynamic_config(regex=".*", operation_name=operation, num_bits=8)
    with _quiet():
        return bytes(quantizer.quantize().quantized_model)


def with_calibrated_products(content: bytes, images: np.ndarray) -> bytes:
    """Returns a model whose dense layers and convolutions have int8 inputs and outputs.

    Args:
        content: bytes of a float32 .tflite file whose buffers lie in its flatbuffer.
        images: array (count, height, width, channels). The ranges are the true minimum and maximum
            of its activations. (litert-quantizer's default is their moving average, which cuts off
            rare large values.)
    """
    quantizer, operations = _quantizer(content)
    from litert_quantizer import calibrator, qtyping, recipe_manager
    from litert_quantizer.utils import qsv_utils

    for operation in operations:
        _calibrate(quantizer, ".*", operation)
    for name in _paddings_of_convolutions(content):
        _calibrate(quantizer, re.escape(name), qtyping.TFLOperationName.PAD)
    recipe = recipe_manager.RecipeManager()
    recipe.load_quantization_recipe(quantizer.get_quantization_recipe())
    with _quiet():
        ranges = calibrator.Calibrator(content, qsv_update_func=qsv_utils.min_max_update)
        ranges.calibrate({"serving_default": [{"image": image[None]} for image in images]}, recipe)
        return bytes(quantizer.quantize(ranges.get_model_qsvs()).quantized_model)


def _calibrate(quantizer: Any, regex: str, operation: Any) -> None:
    quantizer.add_static_config(
        regex=regex, operation_name=operation, activation_num_bits=8, weight_num_bits=8
    )


def _paddings_of_convolutions(content: bytes) -> list[str]:
    """Returns the names of tensors padded only for a convolution, which may be int8."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    names: list[str] = []
    for graph in model.subgraphs:
        users: dict[int, list[int]] = {}
        paddings: list[int] = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            for tensor in operator.inputs:
                users.setdefault(int(tensor), []).append(code)
            if code == schema.BuiltinOperator.PAD:
                paddings.append(int(operator.outputs[0]))
        names += [
            graph.tensors[tensor].name.decode()
            for tensor in paddings
            if set(users.get(tensor, ())) == {schema.BuiltinOperator.CONV_2D}
        ]
    return names


def _quantizer(content: bytes) -> tuple[Any, tuple[Any, ...]]:
    """Returns litert-quantizer's `Quantizer` and the operations to compute in int8."""
    try:
        from litert_quantizer import qtyping, quantizer
    except ImportError as error:
        raise ImportError(
            'int8 needs litert-quantizer: pip install "keras-cabvit[export]"'
        ) from error
    names = qtyping.TFLOperationName
    return quantizer.Quantizer(content), (names.FULLY_CONNECTED, names.CONV_2D)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences reports of sizes, times and progress, and warnings about biases already in int8."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(action="ignore"),
    ):
        yield
