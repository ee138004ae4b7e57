"""Prints the operations that TensorFlow runs for a block and for a fused block."""

import collections
import json

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

import keras_cabvit

RNG = np.random.default_rng(0)


def operations(layer):
    """Returns how often each operation is in the graph that runs, as a dict."""
    inputs = [RNG.normal(size=shape).astype("float32") for shape in ((2, 8, 8, 32), (2, 4, 32))]
    layer(*inputs)
    for variable in layer.variables:  # products with zeros and ones are left out
        variable.assign(RNG.normal(size=variable.shape))
    run = tf.function(lambda *inputs: layer(*inputs, training=False))
    context.context().enable_graph_collection()
    run(*map(tf.constant, inputs))
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
            name: operations(keras_cabvit.layers.CabViTBlock(num_heads=2, fused=fused))
            for name, fused in (("block", False), ("fused block", True))
        }
    )
)
