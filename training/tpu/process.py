"""The process that compiles for a TPU: Keras on JAX, and JAX on the CPU."""

import importlib.util
import os
import signal
import subprocess
import sys

ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    # The compiler needs no TPU, and an existing TPU may be training.
    "JAX_PLATFORMS": "cpu",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "true",
    # libtpu would ask Google Cloud's metadata server for these, with long timeouts without one.
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    # Otherwise libtpu logs missing hardware to a file in /tmp.
    "TPU_LOG_DIR": "disabled",
}


def can_compile() -> bool:
    """Returns whether this process was started with `ENVIRONMENT`."""
    return all(os.environ.get(name) == value for name, value in ENVIRONMENT.items())


def run_again(arguments: list[str], module: str = "training") -> int:
    """Runs `python -m training` in a process that can compile for a TPU.

    Args:
        arguments: list of strings, the arguments of this program.
        module: string, the module of another program.

    Returns:
        The exit status of that process.

    Raises:
        ImportError: JAX or its TPU compiler is not installed.
        ChildProcessError: a signal ended that process.
    """
    for package in ("jax", "libtpu"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(
                f"Compiling for a TPU needs {package}, which is not installed. "
                'pip install "keras-cabvit[tpu-compile]" brings it.'
            )
    command = [sys.executable, "-m", module, *arguments]
    status = subprocess.run(command, env=os.environ | ENVIRONMENT).returncode
    if status < 0:
        raise ChildProcessError(
            f"The compiler was ended by {signal.Signals(-status).name}. It needs several GiB of "
            "memory; SIGKILL may mean that this computer had no more."
        )
    return status
