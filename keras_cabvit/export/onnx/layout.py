"""Feature maps of an ONNX graph in the layout of its convolutions.

TensorFlow's feature maps are (batch, height, width, channels), ONNX's convolutions take (batch,
channels, height, width), and tf2onnx puts a Transpose on both sides of a convolution. It moves a
Transpose past many operators, but neither past a GELU nor past padding: two convolutions with
either between them would be two or more Transposes apart, and no runtime would find the GELU.
"""

from typing import Any


def in_convolution_layout(model: Any) -> None:
    """Computes GELUs between convolutions in their layout, and lets convolutions pad.

    Args:
        model: `onnx.ModelProto`, which is changed.
    """
    graph = _Graph(model.graph)
    for node in graph.of_type("Erf"):
        _move_gelu(graph, node)
    for node in graph.of_type("Conv"):
        _pad_in(graph, node)
    _cancel_transposes(graph)
    graph.finish()


class _Graph:
    """An `onnx.GraphProto`, with the nodes that write and read each tensor."""

    def __init__(self, proto: Any):
        self.proto = proto
        self._index()

    def _index(self) -> None:
        self.writer = {name: node for node in self.proto.node for name in node.output}
        self.readers: dict[str, list[Any]] = {}
        for node in self.proto.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def of_type(self, kind: str) -> list[Any]:
        """Returns the nodes of a type."""
        return [node for node in self.proto.node if node.op_type == kind]

    def written_by(self, name: str, kind: str) -> Any:
        """Returns the node that writes a tensor, if it is of a type; else None."""
        node = self.writer.get(name)
        return node if node is not None and node.op_type == kind else None

    def only_reader(self, name: str, kind: str) -> Any:
        """Returns the one node that reads a tensor, if it is of a type; else None."""
        nodes = self.readers.get(name, [])
        return nodes[0] if len(nodes) == 1 and nodes[0].op_type == kind else None

    def transpose(self, name: str, order: list[int], output: str) -> None:
        """Adds a Transpose from one tensor to another."""
        from onnx import helper

        self.proto.node.append(
            helper.make_node("Transpose", [name], [output], name=output, perm=order)
        )
        self._index()

    def read_instead(self, name: str, other: str) -> None:
        """Lets every node that reads a tensor read another one."""
        for node in self.readers.get(name, []):
            for index, given in enumerate(node.input):
                if given == name:
                    node.input[index] = other
        self._index()

    def finish(self) -> None:
        """Removes what nothing reads, and sorts the nodes."""
        needed: list[Any] = []
        names = [value.name for value in self.proto.output]
        while names:
            node = self.writer.get(names.pop())
            if node is not None and not any(node is each for each in needed):
                needed.append(node)
                names += node.input
        read = {name for node in needed for name in node.input}
        constants = [each for each in self.proto.initializer if each.name in read]
        known = {"", *(each.name for each in (*self.proto.input, *constants))}
        left = [node for node in self.proto.node if any(node is each for each in needed)]
        ordered: list[Any] = []
        while left:
            ready = [node for node in left if known.issuperset(node.input)]
            ordered += ready
            known.update(name for node in ready for name in node.output)
            left = [node for node in left if not any(node is each for each in ready)]
        for field, values in ((self.proto.node, ordered), (self.proto.initializer, constants)):
            copies = [type(each).FromString(each.SerializeToString()) for each in values]
            del field[:]
            field.extend(copies)
        # Shapes of tensors of the earlier layout.
        del self.proto.value_info[:]


def _order(node: Any) -> list[int]:
    return list(node.attribute[0].ints)


def _move_gelu(graph: _Graph, erf: Any) -> None:
    """Puts a Transpose of x in front of half * x * (1 + erf(x / c)) behind it."""
    divided = graph.written_by(erf.input[0], "Div")
    before = divided and graph.written_by(divided.input[0], "Transpose")
    sum_ = graph.only_reader(erf.output[0], "Add")
    product = sum_ and graph.only_reader(sum_.output[0], "Mul")
    if not before or not product:
        return
    (name,) = (name for name in product.input if name != sum_.output[0])
    tensor, order = before.input[0], _order(before)
    if moved := graph.written_by(name, "Transpose"):  # tf2onnx moved it past half * x
        half = graph.written_by(moved.input[0], "Mul")
        if half is None or tensor not in half.input or _order(moved) != order:
            return
    else:
        half = graph.written_by(name, "Mul")
        if half is None or before.output[0] not in half.input:
            return
        if graph.only_reader(name, "Mul") is None:
            return
        half.input[list(half.input).index(before.output[0])] = tensor
    divided.input[0] = tensor
    (output,) = product.output
    del product.input[:]
    product.input.extend([half.output[0], sum_.output[0]])
    product.output[0] = f"{output}/before_transpose"
    graph.transpose(product.output[0], order, output)


def _pad_in(graph: _Graph, convolution: Any) -> None:
    """Adds the zeros of a Pad before a transposed input to a convolution's own padding."""
    from onnx import helper, numpy_helper

    transpose = graph.written_by(convolution.input[0], "Transpose")
    pad = transpose and graph.written_by(transpose.input[0], "Pad")
    if not pad or (len(pad.input) > 2 and pad.input[2] and not _is_zero(graph, pad.input[2])):
        return
    if any(each.name == "mode" and each.s != b"constant" for each in pad.attribute):
        return
    constants = {each.name: each for each in graph.proto.initializer}
    if pad.input[1] not in constants:
        return
    # For all axes in their order: zeros before, then zeros after.
    zeros = numpy_helper.to_array(constants[pad.input[1]]).reshape(2, -1)[:, _order(transpose)]
    attributes = {each.name: each for each in convolution.attribute}
    given = attributes.get("auto_pad")
    if zeros[:, :2].any() or (zeros < 0).any() or (given and given.s != b"NOTSET"):
        return
    padding = zeros[:, 2:].reshape(-1)
    if "pads" in attributes:
        padding = padding + list(attributes["pads"].ints)
        convolution.attribute.remove(attributes["pads"])
    convolution.attribute.append(helper.make_attribute("pads", padding.tolist()))
    convolution.input[0] = f"{convolution.output[0]}/not_padded"
    graph.transpose(pad.input[0], _order(transpose), convolution.input[0])


def _is_zero(graph: _Graph, name: str) -> bool:
    from onnx import numpy_helper

    found = [each for each in graph.proto.initializer if each.name == name]
    return bool(found) and not numpy_helper.to_array(found[0]).any()


def _cancel_transposes(graph: _Graph) -> None:
    """Removes pairs of a Transpose and its inverse."""
    for node in graph.of_type("Transpose"):
        before = graph.written_by(node.input[0], "Transpose")
        outputs = [value.name for value in graph.proto.output]
        if before is not None and node.output[0] not in outputs:
            order = _order(before)
            if [order[axis] for axis in _order(node)] == sorted(order):
                graph.read_instead(node.output[0], before.input[0])
