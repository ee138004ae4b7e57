"""Prints the operations that TensorFlow runs for layers, and how much memory some of them take."""

import collections
import json

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from benchmarks.tensor_memory import peak_tensor_bytes
from keras_cabvit.layers import CabViTBlock, ConvNeXtBlock, PatchMerging

RNG = np.random.default_rng(0)
MAP, DIGESTS, LARGE_MAP, INDIVISIBLE_MAP = (
    (2, 8, 8, 32),
    (2, 4, 32),
    (2, 56, 56, 32),
    (2, 1, 1601, 32),
)


def operations(layer, batch, *shapes):
    """Returns how often each operation is in the graph that runs, as a dict."""
    inputs = [tf.constant(RNG.normal(size=shape), "float32") for shape in shapes]
    layer(*inputs)
    for variable in layer.variables:  # products with zeros and ones are left out
        variable.assign(RNG.normal(size=variable.shape))
    signature = [tf.TensorSpec((batch, *shape[1:])) for shape in shapes]
    run = tf.function(lambda *inputs: layer(*inputs, training=False), signature)
    context.context().enable_graph_collection()
    run(*inputs)
    graphs = context.context().export_run_metadata().partition_graphs
    context.context().disable_graph_collection()
    found = collections.Counter()
    for node in (node for graph in graphs for node in graph.node):
        joined = [name.decode() for name in node.attr["fused_ops"].list.s]
        kind = node.op.lstrip("_").removeprefix("Mkl").removeprefix("Native")
        found[" ".join([kind, *joined])] += 1
    return found


def memory(fused):
    """Returns how much memory a ConvNeXt block takes, in maps such as it is given."""
    layer = ConvNeXtBlock(fused=fused)
    maps = tf.constant(RNG.normal(size=LARGE_MAP), "float32")
    layer(maps)
    run = tf.function(lambda maps: layer(maps, training=False))
    run(maps)
    return peak_tensor_bytes(lambda: run(maps).numpy()) / maps.numpy().nbytes


LAYERS = {
    "block": (CabViTBlock(2), None, MAP, DIGESTS),
    "fused block": (CabViTBlock(2, fused=True), None, MAP, DIGESTS),
    "fused block, known batch": (CabViTBlock(2, fused=True), 2, MAP, DIGESTS),
    "fused ConvNeXt block": (ConvNeXtBlock(fused=True), None, MAP),
    "fused ConvNeXt block, large map": (ConvNeXtBlock(fused=True), None, LARGE_MAP),
    "fused ConvNeXt block, indivisible map": (ConvNeXtBlock(fused=True), None, INDIVISIBLE_MAP),
    "fused merging": (PatchMerging(64, fused=True), None, MAP),
}
print(
    json.dumps(
        {
            "operations": {name: operations(*layer) for name, layer in LAYERS.items()},
            "memory": {"block": memory(fused=False), "fused block": memory(fused=True)},
        }
    )
)
