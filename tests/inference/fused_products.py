"""Prints the operations that TensorFlow runs for layers, and the memory of some of them."""

import collections
import json

import keras
import numpy as np
import tensorflow as tf
import tiny_models
from tensorflow.python.eager import context

from benchmarks.tensor_memory import peak_tensor_bytes
from keras_cabvit.export.saved_model.forms import BFLOAT16_CLASSES, FROZEN_FLOAT32_CLASSES
from keras_cabvit.inference import fuse
from keras_cabvit.layers import ConvNeXtBlock, ConvolutionalStem, PatchMerging

RNG = np.random.default_rng(0)
MAP, DIGESTS, LARGE_MAP, INDIVISIBLE_MAP, PIXELS = (
    (2, 8, 8, 32),
    (2, 4, 32),
    (2, 56, 56, 32),
    (2, 1, 1601, 32),
    (2, 16, 16, 3),
)


def model_of(layer, shapes, fused, **form):
    """Returns a model of one layer on inputs of these shapes, or its fused form."""
    inputs = [keras.Input(shape[1:]) for shape in shapes]
    model = keras.Model(inputs, layer(*inputs))
    return fuse(model, **form) if fused else model


def operations(layer, fused, batch, *shapes, **form):
    """Returns the count of each operation in the graph that runs, as a dict."""
    model = model_of(layer, shapes, fused, **form)
    inputs = [tf.constant(RNG.normal(size=shape), "float32") for shape in shapes]
    for variable in model.variables:  # products with zeros and ones are left out
        variable.assign(RNG.normal(size=variable.shape))
    signature = [tf.TensorSpec((batch, *shape[1:])) for shape in shapes]
    run = tf.function(lambda *inputs: model(list(inputs), training=False), signature)
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
    """Returns the memory that a ConvNeXt block takes, as a multiple of its input's."""
    model = model_of(ConvNeXtBlock(), [LARGE_MAP], fused)
    maps = tf.constant(RNG.normal(size=LARGE_MAP), "float32")
    run = tf.function(lambda maps: model([maps], training=False))
    run(maps)
    return peak_tensor_bytes(lambda: run(maps).numpy()) / maps.numpy().nbytes


LAYERS = {
    "block": (tiny_models.block(), False, None, MAP, DIGESTS),
    "fused block": (tiny_models.block(), True, None, MAP, DIGESTS),
    "fused block, known batch": (tiny_models.block(), True, 2, MAP, DIGESTS),
    "fused ConvNeXt block": (ConvNeXtBlock(), True, None, MAP),
    "fused ConvNeXt block, large map": (ConvNeXtBlock(), True, None, LARGE_MAP),
    "fused ConvNeXt block, indivisible map": (ConvNeXtBlock(), True, None, INDIVISIBLE_MAP),
    "fused merging": (PatchMerging(64), True, None, MAP),
}
# In the form of a SavedModel in float32 with frozen weights.
IN_FLOAT32 = {
    "merging": (PatchMerging(64), True, None, MAP),
    "stem": (ConvolutionalStem(32), True, None, PIXELS),
    "block": (tiny_models.block(), True, None, MAP, DIGESTS),
    "ConvNeXt block": (ConvNeXtBlock(), True, None, MAP),
    "ConvNeXt block, large map": (ConvNeXtBlock(), True, None, LARGE_MAP),
}
# In the form of a SavedModel in bfloat16.
IN_BFLOAT16 = {
    "block": (tiny_models.block(), True, None, MAP, DIGESTS),
    "ConvNeXt block": (ConvNeXtBlock(), True, None, MAP),
}
print(
    json.dumps(
        {
            "operations": {name: operations(*layer) for name, layer in LAYERS.items()},
            "in float32": {
                name: operations(*layer, inference_classes=FROZEN_FLOAT32_CLASSES)
                for name, layer in IN_FLOAT32.items()
            },
            "in bfloat16": {
                name: operations(*layer, dtype="bfloat16", inference_classes=BFLOAT16_CLASSES)
                for name, layer in IN_BFLOAT16.items()
            },
            "memory": {"block": memory(fused=False), "fused block": memory(fused=True)},
        }
    )
)
