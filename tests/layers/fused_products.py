"""Prints the operations that TensorFlow runs for layers as they are trained and fused."""

import collections
import json

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from keras_cabvit.layers import CabViTBlock, ConvNeXtBlock, PatchMerging

RNG = np.random.default_rng(0)
MAP, DIGESTS = (2, 8, 8, 32), (2, 4, 32)


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


print(
    json.dumps(
        {
            "block": operations(CabViTBlock(2), None, MAP, DIGESTS),
            "fused block": operations(CabViTBlock(2, fused=True), None, MAP, DIGESTS),
            "fused block, known batch": operations(CabViTBlock(2, fused=True), 2, MAP, DIGESTS),
            "fused ConvNeXt block": operations(ConvNeXtBlock(fused=True), None, MAP),
            "fused merging": operations(PatchMerging(64, fused=True), None, MAP),
        }
    )
)
