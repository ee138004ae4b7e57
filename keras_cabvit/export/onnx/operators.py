"""Operators of ONNX for what TensorFlow computes in several operations, or in one of its own.

These are rewriters of tf2onnx: functions from its graph and the graph's nodes to the nodes that are
left. They run before tf2onnx maps TensorFlow's operations to ONNX's.
"""

from typing import Any

import numpy as np


def with_erf(graph: Any, nodes: list[Any]) -> list[Any]:
    """Replaces TensorFlow's Erfc, which ONNX does not have, by Erf.

    The Erfc of a GELU, erfc(-x / c), becomes 1 + erf(x / c), from which onnxruntime and OpenVINO
    make one operation.

    Args:
        graph: tf2onnx's `Graph`, which is changed.
        nodes: its nodes.
    """
    for node in [node for node in nodes if node.type == "Erfc"]:
        (name, given), (output,) = (node.name, node.inputs[0]), node.output
        typed = {"shapes": [graph.get_shape(output)], "dtypes": [graph.get_dtype(output)]}
        one = graph.make_const(f"{name}/one", _as_dtype_of(graph, output, 1.0)).output[0]
        divided = _negative_divided(given)
        if divided is None:
            (erf,) = graph.make_node("Erf", node.input, **typed).output
            sum_ = graph.make_node("Sub", [one, erf], **typed)
        else:
            tensor, divisor = divided
            divisor = graph.make_const(f"{name}/divisor", _as_dtype_of(graph, output, divisor))
            (quotient,) = graph.make_node("Div", [tensor, divisor.output[0]], **typed).output
            (erf,) = graph.make_node("Erf", [quotient], **typed).output
            sum_ = graph.make_node("Add", [erf, one], **typed)
        graph.replace_all_inputs(output, sum_.output[0])
        graph.remove_node(name)
    return graph.get_nodes()


def _as_dtype_of(graph: Any, tensor: str, value: float) -> np.ndarray:
    from tf2onnx.utils import map_onnx_to_numpy_type

    return np.array(value, map_onnx_to_numpy_type(graph.get_dtype(tensor)))


def _negative_divided(node: Any) -> tuple[str, float] | None:
    """Returns x and c of a node that computes -x / c, or None if it does not."""
    if node.type not in ("Mul", "RealDiv"):
        return None
    first, second = node.inputs
    if node.type == "Mul" and second.type == "Neg":
        first, second = second, first
    value = _constant(second)
    if first.type != "Neg" or value is None or value.size != 1 or not value.all():
        return None
    divisor = float(value.reshape(()))
    return first.input[0], 1 / divisor if node.type == "Mul" else divisor


def with_layer_normalization(graph: Any, nodes: list[Any]) -> list[Any]:
    """Replaces the operations of `OperatorLayerNormalization` by ONNX's LayerNormalization.

    Args:
        graph: tf2onnx's `Graph`, which is changed.
        nodes: its nodes.
    """
    for number, rsqrt in enumerate([node for node in nodes if node.type == "Rsqrt"]):
        found = _normalized(graph, rsqrt)
        if found is None:
            continue
        tensor, epsilon, centred = found
        output, gamma = _factor(graph, rsqrt.output[0])
        (product,) = graph.find_output_consumers(output)
        if product.type != "Mul" or centred not in product.input:
            continue
        output, beta = _summand(graph, product.output[0])
        channels = graph.get_shape(tensor)[-1]
        weights = [np.ones(channels, "float32") if gamma is None else gamma]
        weights += [] if beta is None else [beta]
        new = graph.make_node(
            "LayerNormalization",
            [
                tensor,
                *(
                    graph.make_const(
                        f"layer_normalization_{number}/{name}",
                        np.array(np.broadcast_to(weight.reshape(-1), channels)),
                    ).output[0]
                    for name, weight in zip(("scale", "bias"), weights, strict=False)
                ),
            ],
            attr={"axis": -1, "epsilon": epsilon},
            shapes=[graph.get_shape(output)],
            dtypes=[graph.get_dtype(output)],
        )
        graph.replace_all_inputs(output, new.output[0])
    graph.delete_unused_nodes(graph.outputs)
    return graph.get_nodes()


def _normalized(graph: Any, rsqrt: Any) -> tuple[str, float, str] | None:
    """Returns x, epsilon and x - mean(x) of rsqrt(mean(square(x - mean(x))) + epsilon), or None."""
    added = rsqrt.inputs[0]
    if added.type not in ("Add", "AddV2"):
        return None
    mean, epsilon = added.inputs[0], _constant(added.inputs[1])
    if epsilon is None or epsilon.size != 1 or not _is_of_channels(graph, mean):
        return None
    square = mean.inputs[0]
    if square.type != "Square" or square.inputs[0].type != "Sub":
        return None
    centred = square.inputs[0]
    if not _is_of_channels(graph, centred.inputs[1]):
        return None
    if centred.inputs[1].input[0] != centred.input[0]:
        return None
    return centred.input[0], float(epsilon.reshape(())), centred.output[0]


def _is_of_channels(graph: Any, node: Any) -> bool:
    """Returns whether a node is the mean over the last axis, which is kept."""
    if node.type != "Mean" or not node.get_attr_value("keep_dims", False):
        return False
    axes = _constant(node.inputs[1])
    rank = graph.get_rank(node.input[0])
    return axes is not None and axes.reshape(-1).tolist() in ([-1], [rank - 1])


def _factor(graph: Any, tensor: str) -> tuple[str, np.ndarray | None]:
    """Returns a tensor times a constant, and the constant; the tensor itself without one."""
    return _with_constant(graph, tensor, ("Mul",))


def _summand(graph: Any, tensor: str) -> tuple[str, np.ndarray | None]:
    """Returns a tensor plus a constant, and the constant; the tensor itself without one."""
    return _with_constant(graph, tensor, ("Add", "AddV2"))


def _with_constant(
    graph: Any, tensor: str, kinds: tuple[str, ...]
) -> tuple[str, np.ndarray | None]:
    users = graph.find_output_consumers(tensor)
    if len(users) == 1 and users[0].type in kinds and tensor not in graph.outputs:
        constants = [_constant(given) for given in users[0].inputs]
        values = [value for value in constants if value is not None]
        # One value per channel, not per token.
        if values and values[0].ndim and values[0].size == values[0].shape[-1]:
            return users[0].output[0], values[0]
    return tensor, None


def _constant(node: Any) -> np.ndarray | None:
    return np.asarray(node.get_tensor_value(as_list=False)) if node.is_const() else None
