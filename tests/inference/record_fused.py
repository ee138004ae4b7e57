"""Prints the operations and outputs of fused models on one backend: `record_fused.py MODEL...`.

Per model, the operations that run for one batch, by kind, and the outputs. On JAX, where compiling
takes long, only the outputs of the two small models.
"""

import collections
import json
import sys

import keras
import numpy as np
import pytest
import tiny_models
from numpy_initializers import replace_initializers

import keras_cabvit
from keras_cabvit.inference import fuse

SMALL = {"hybrid": tiny_models.hybrid, "plain": tiny_models.plain}
# Operations that compute nothing.
_NOT_COUNTED = {"Const", "Identity", "NoOp", "_Arg", "_Retval", "ReadVariableOp"}


def built(name):
    """Returns a model with distinct values in all weights, and without a softmax."""
    if name in SMALL:
        model = SMALL[name](classifier_activation=None)
    else:
        arguments = {"input_shape": (32, 32, 3), "classes": 5, "classifier_activation": None}
        model = getattr(keras_cabvit, name)(**arguments)
    return tiny_models.filled(model)


def tensorflow_operations(model, images):
    """Returns the count of each operation in the graph that runs, after TensorFlow's rewriting."""
    import tensorflow as tf
    from tensorflow.python.eager import context

    run = tf.function(
        lambda images: model(images, training=False),
        [tf.TensorSpec((None, *images.shape[1:]), "float32")],
    )
    context.context().enable_graph_collection()
    run(images)
    graphs = context.context().export_run_metadata().partition_graphs
    context.context().disable_graph_collection()
    found = collections.Counter()
    for node in (node for graph in graphs for node in graph.node):
        joined = [name.decode() for name in node.attr["fused_ops"].list.s]
        kind = node.op.lstrip("_").removeprefix("Mkl").removeprefix("Native")
        found[" ".join([kind, *joined])] += node.op not in _NOT_COUNTED
    return +found


def jax_operations(model, images):
    """Returns the count of each primitive in the program that JAX compiles."""
    import jax

    def count(program):
        for equation in program.eqns:
            inner = [
                getattr(value, "jaxpr", value)
                for value in jax.tree.leaves(list(equation.params.values()))
                if hasattr(getattr(value, "jaxpr", value), "eqns")
            ]
            for each in inner:
                count(each)
            if not inner:
                found[equation.primitive.name] += 1

    found = collections.Counter()
    program = jax.make_jaxpr(
        lambda images: model.stateless_call(
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
            images,
            training=False,
        )[0]
    )(images)
    count(program.jaxpr)
    return found


def torch_operations(model, images):
    """Returns the count of each operation that PyTorch receives."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    found = collections.Counter()

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            found[operation.name()] += 1
            return operation(*args, **(kwargs or {}))

    with torch.no_grad(), Counting():
        model(images, training=False)
    return found


OPERATIONS = {
    "tensorflow": tensorflow_operations,
    "jax": jax_operations,
    "torch": torch_operations,
}


def record(name):
    """Returns the operations and the outputs of a model's fused form."""
    backend = keras.config.backend()
    fused = fuse(built(name))
    images = tiny_models.images(fused)
    found = {"operations": dict(sorted(OPERATIONS[backend](fused, images).items()))}
    if backend != "jax" or name in SMALL:
        outputs = fused.predict_on_batch(images)
        found["outputs"] = np.round(outputs.astype("float64"), 5).tolist()
    return found


if __name__ == "__main__":
    replace_initializers(pytest.MonkeyPatch())
    print(json.dumps({name: record(name) for name in sys.argv[1:]}))
