"""Compares layers' gradients on JAX in training with those of the same computation at inference."""

import functools

import jax
import numpy as np

import keras_cabvit

RNG = np.random.default_rng(0)


def array(*shape):
    return RNG.normal(size=shape).astype("float32")


def measure(large, layer, *inputs):
    """`large` is the shape of the arrays that are counted."""
    layer.build(*(each.shape for each in inputs))
    values = [0.3 * array(*variable.shape) for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]
    weights = array(*inputs[0].shape)
    gradients, kept = {}, {}
    for training in (True, False):

        def weighted(values, inputs, training=training):
            output, _ = layer.stateless_call(values, others, *inputs, training=training)
            return (output * weights).sum()

        # As two functions, which JAX compiles faster than their operations one by one.
        _, backward = jax.jit(functools.partial(jax.vjp, weighted))(values, inputs)
        found = jax.jit(lambda backward: backward(np.float32(1)))(backward)
        gradients[training] = jax.tree.leaves(found)
        kept[training] = sum(leaf.shape == large for leaf in jax.tree.leaves(backward))
    assert len(gradients[True]) == len(values) + len(inputs)
    differences = jax.tree.map(lambda one, other: abs(one - other).max(), *gradients.values())
    largest = max(abs(gradient).max() for gradient in gradients[False])
    return {
        "difference": float(max(differences) / largest),
        "kept": kept[True],
        "kept_at_inference": kept[False],
    }


def results():
    """Returns, per layer, the largest difference of two gradients relative to the largest gradient.

    Also the number of arrays of a shape stored for the backward pass, in training and at inference.
    """
    attention = keras_cabvit.layers.CrossBlockAttention
    return {
        "biases and digest tokens": measure(
            (3, 2, 64, 72),
            attention(num_heads=2, layer_scale_init=1.0),
            array(3, 8, 8, 16),
            array(3, 8, 16),
        ),
        "a bias over digest tokens alone": measure(
            (3, 2, 65, 69),
            attention(num_heads=2, position_bias=False, layer_scale_init=None, grid=(8, 8)),
            array(3, 65, 16),
            array(3, 4, 16),
        ),
        "no biases": measure(
            (3, 2, 64, 64),
            attention(num_heads=2, position_bias=False, layer_scale_init=1.0),
            array(3, 8, 8, 16),
        ),
        "MLP": measure(
            (3, 8, 8, 64),
            keras_cabvit.layers.ChannelMixing(norm_count=2, layer_scale_init=1.0),
            array(3, 8, 8, 16),
        ),
    }
