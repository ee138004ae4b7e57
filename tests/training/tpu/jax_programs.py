"""Prints the results of all programs on JAX of these tests, as JSON.

They share one process, because importing JAX and its TPU compiler takes longer than most of them.
"""

import json

import jax

jax.config.update("jax_num_cpu_devices", 4)

from describe_slices import described_slices  # noqa: E402
from first_step import compared_steps  # noqa: E402
from refused_step import refusal  # noqa: E402
from small_programs import programs  # noqa: E402

if __name__ == "__main__":
    results = {
        "slices": described_slices(),
        "first step": compared_steps(),
        "refusal": refusal(),
        "programs": programs(),
    }
    print(json.dumps(results))
