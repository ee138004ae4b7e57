"""Runs `python -m training` with its own arguments, and then all programs on JAX of these tests.

Prints the programs' results as JSON, in one line, and ends with the status of the command. They
share one process, because importing JAX and its TPU compiler takes longer than most of them.
"""

import json
import sys

import jax

jax.config.update("jax_num_cpu_devices", 4)

from describe_slices import described_slices  # noqa: E402
from first_step import compared_steps  # noqa: E402
from refused_step import refusal  # noqa: E402
from small_programs import programs  # noqa: E402

from training.__main__ import main  # noqa: E402

if __name__ == "__main__":
    status = main(sys.argv[1:])
    results = {
        "slices": described_slices(),
        "first step": compared_steps(),
        "refusal": refusal(),
        "programs": programs(),
    }
    print(json.dumps(results))
    sys.exit(status)
