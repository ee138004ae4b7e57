"""Bytes that small TPU programs move to and from the main memory."""

import jax
import jax.numpy as jnp

from training.tpu.main_memory import main_memory_traffic
from training.tpu.slices import find_slice


def traffic(function, *arrays):
    """Arrays are shapes and dtypes. Returns the main memory's bytes and the compiler's."""
    device = jax.sharding.SingleDeviceSharding(find_slice("v5e:1x1").describe()[0])
    arrays = [jax.ShapeDtypeStruct(*array, sharding=device) for array in arrays]
    compiled = jax.jit(function).lower(*arrays).compile()
    return main_memory_traffic(compiled.as_text()), compiled.cost_analysis()["bytes accessed"]


def programs():
    """Returns the traffic of each program."""
    square = ((256, 256), "float32")
    return {
        "too large for fast memory": traffic(lambda x: 2 * x + 1, ((64, 1024, 1024), "float32")),
        "bfloat16": traffic(lambda x: 2 * x + 1, ((64, 1024, 2048), "bfloat16")),
        "100 rows in tiles of 8": traffic(lambda x: 2 * x + 1, ((100, 2**20), "float32")),
        "products of products": traffic(lambda x, y: jnp.tanh(x @ y) @ y, square, square),
    }
