"""Conversion of a Keras model to an .onnx file."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cabvit.export.onnx.forms import (
    JointKeyValueAttention,
    MatMulDense,
    OperatorLayerNormalization,
    TokensChannelMixing,
)
from keras_cabvit.export.onnx.layout import in_convolution_layout
from keras_cabvit.export.onnx.operators import with_erf, with_layer_normalization
from keras_cabvit.export.signatures import float32_form, pixel_functions
from keras_cabvit.export.tensorflow_process import exports_with_tensorflow
from keras_cabvit.first_line import first_line
from keras_cabvit.layers import ChannelMixing, CrossBlockAttention
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.ops import definitions

# The first version of ONNX's operators with LayerNormalization.
OPSET = 17
# In addition to those of `keras_cabvit.inference`.
ONNX_CLASSES = {
    ChannelMixing: TokensChannelMixing,
    CrossBlockAttention: JointKeyValueAttention,
    keras.layers.Dense: MatMulDense,
    keras.layers.LayerNormalization: OperatorLayerNormalization,
}


@exports_with_tensorflow
def convert(
    model: keras.Model,
    path: str | os.PathLike[str],
    output_name: str,
    input_type: str,
    batch_size: int | None,
) -> Path:
    """Writes an .onnx file without metadata.

    Args:
        model: as in `to_onnx`.
        path: file to write.
        output_name: string, name of the scores.
        input_type: as in `to_onnx`.
        batch_size: as in `to_onnx`.

    Returns:
        `path`.

    Raises:
        ImportError: onnx or tf2onnx is not installed.
        ValueError: tf2onnx cannot convert the model.
    """
    try:
        import onnx
        from tf2onnx.convert import from_graph_def
    except ImportError as error:
        raise ImportError(
            'Exporting to ONNX needs tf2onnx: pip install "keras-cabvit[onnx]"'
        ) from error
    model = float32_form(
        model, "ONNX files compute in float32 here", inference_classes=ONNX_CLASSES
    )
    functions = pixel_functions(
        model, {"scores": input_type}, output_name, batch_size, empty_batches=False
    )
    with definitions():  # the function is traced here
        graph, image, scores, kernels = _frozen(functions["scores"], _kernels(model))
    with _quiet():
        try:
            converted, _ = from_graph_def(
                graph,
                name=model.name,
                input_names=[image, *kernels],
                output_names=[scores],
                opset=OPSET,
                custom_rewriter=[with_erf, with_layer_normalization],
                tensors_to_rename={image: "image", scores: output_name},
            )
        except Exception as error:  # tf2onnx raises errors of many classes
            raise ValueError(
                f"tf2onnx cannot convert this model. It says: {first_line(error)}"
            ) from error
    in_convolution_layout(converted)
    _store_kernels(converted, kernels)
    _tidy(converted, batch_size)
    path = Path(path)
    onnx.save(converted, path)
    return path


def _kernels(model: keras.Model) -> list[keras.Variable]:
    """Returns the kernels of a fused model's dense layers, which are nearly all of its weights."""
    layers = [each for each in flatten_layers(model) if isinstance(each, MatMulDense)]
    return list({id(each.kernel): each.kernel for each in layers}.values())


def _frozen(
    function: Any, kernels: list[keras.Variable]
) -> tuple[Any, str, str, dict[str, np.ndarray]]:
    """Returns the GraphDef of a `tf.function` whose variables are constants, except for kernels.

    The names of its input and its output follow, and a dict from the names of further inputs to the
    kernels. TensorFlow and tf2onnx copy a graph's constants some fifty times.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def with_kernels(image: Any, *values: Any) -> Any:
        given = list(zip(kernels, values, strict=True))
        with keras.StatelessScope(state_mapping=given):
            # Not `function`, which would keep the kernels of the first trace for a second one.
            return function.python_function(image)

    inputs = [tf.TensorSpec(each.shape, each.dtype, name=each.path) for each in kernels]
    traced = tf.function(with_kernels, autograph=False).get_concrete_function(
        *function.input_signature, *inputs
    )
    # Tensors that are not variables, such as a Normalization's mean, would remain inputs.
    captured = {
        placeholder.op.name: tensor
        for tensor, placeholder in traced.graph.captures
        if placeholder.dtype != tf.resource
    }
    frozen = convert_variables_to_constants_v2(
        traced, lower_control_flow=False, aggressive_inlining=True
    )
    graph = frozen.graph.as_graph_def(add_shapes=True)
    for node in graph.node:
        if node.name in captured:
            value = captured[node.name].numpy()
            node.op = "Const"
            node.ClearField("attr")
            node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    image, *inputs = (each for each in frozen.inputs if each.op.name not in captured)
    (scores,) = frozen.outputs
    values = [keras.ops.convert_to_numpy(each) for each in kernels]
    names = [each.name for each in inputs]
    return graph, image.name, scores.name, dict(zip(names, values, strict=True))


def _store_kernels(model: Any, kernels: dict[str, np.ndarray]) -> None:
    """Makes the kernels, which are inputs of an `onnx.ModelProto`, constants of it.

    Those that a Concat joins, as of keys and values, become one.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    joint = [
        node for node in graph.node if node.op_type == "Concat" and kernels.keys() >= {*node.input}
    ]
    stored = dict(kernels)
    for node in joint:
        axis = helper.get_node_attr_value(node, "axis")
        stored[node.output[0]] = np.concatenate([kernels[name] for name in node.input], axis)
        graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for name in [name for name in stored if name in read]:
        graph.initializer.append(numpy_helper.from_array(stored.pop(name), name))
    for value in [each for each in graph.input if each.name in kernels]:
        graph.input.remove(value)


def _tidy(model: Any, batch_size: int | None) -> None:
    """States the batch of input and output alike, and removes operator sets that are not used."""
    used = {node.domain for node in model.graph.node}
    for operators in [each for each in model.opset_import if each.domain not in used]:
        model.opset_import.remove(operators)
    for value in (*model.graph.input, *model.graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if batch_size is None:
            batch.dim_param = "batch"
        else:
            batch.dim_value = batch_size


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences what TensorFlow and tf2onnx report about deprecated functions and progress."""
    import logging

    import tensorflow as tf

    loggers = [tf.get_logger(), logging.getLogger("tf2onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
