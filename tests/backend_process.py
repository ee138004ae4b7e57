"""Environment of a test's process on another backend."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def backend_environment(backend):
    """Returns the environment of a process that uses `backend`."""
    paths = [str(REPOSITORY), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]
    if backend == "tensorflow":
        paths.insert(0, str(REPOSITORY / "tests" / "without_jax"))
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": "1",  # pytest's own workers fill the cores already
    }
    if backend == "jax":
        # These programs run their compiled code once, so compiling dominates the time: without
        # XLA's optimisation and its newer way to fuse loops it takes a fifth. The results are the
        # same.
        flags = os.environ.get("XLA_FLAGS", "")
        environment.setdefault("JAX_PLATFORMS", "cpu")  # libtpu only compiles
        quick = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
        environment["XLA_FLAGS"] = f"{flags} {quick}".strip()
        # JAX_COMPILATION_CACHE_DIR caches even compilations of less than a second.
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    return environment


# For processes that compute nothing: Keras imports this backend fastest.
WITHOUT_BACKEND = backend_environment("numpy")
