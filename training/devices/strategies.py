"""The devices of a run: one, several, a TPU, or those of several hosts."""

import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

import keras

from training.data.share import WHOLE, Share
from training.devices.hosts import Hosts, join
from training.recipes.recipe import Recipe

STRATEGIES = ("auto", "single", "mirrored", "tpu", "data_parallel")

# Strategies of one backend only, and their counterparts on the other.
_BACKENDS = {"mirrored": "tensorflow", "tpu": "tensorflow", "data_parallel": "jax"}
_COUNTERPARTS = {"tensorflow": "mirrored", "jax": "data_parallel"}
# Seconds within which a TPU must answer.
_PATIENCE = 10


@dataclass(frozen=True)
class Placement:
    """The devices of a run, as one of its processes sees them.

    Attributes:
        strategy: name of the strategy, never "auto".
        scope: function that returns the context in which model and optimizer must be built and
            trained.
        replicas: the number of devices that share a batch.
        share: `Share` of every batch that this process reads.
        jit_compile: as `model.compile` takes it.
    """

    strategy: str
    scope: Callable = contextlib.nullcontext
    replicas: int = 1
    share: Share = WHOLE
    jit_compile: bool | str = "auto"


def place(
    strategy: str = "auto", recipe: Recipe | None = None, hosts: Hosts | None = None
) -> Placement:
    """Chooses the devices of a run, and refuses settings that would fail or give wrong results.

    The strategies train the same model from the same batches, up to rounding, except for BatchNorm
    and dropout:

    - data_parallel: BatchNorm computes its statistics over the whole batch, on all devices of all
      processes, as one device does. Its moving statistics are the same everywhere.
    - mirrored and tpu: each device computes them over its own part of the batch, and keeps its own
      moving statistics, as the authors' training did. Those of the first device are saved, in
      checkpoints and in the model, and the validation images are scored with them. Dropout and
      stochastic depth draw the same masks on every device.

    Args:
        strategy: "auto" takes all available devices; "single" one; "mirrored" (TensorFlow) all
            GPUs of this host, or its logical CPUs; "tpu" (TensorFlow) the TPU of this host;
            "data_parallel" (JAX) all devices of all processes.
        recipe: `Recipe`, whose batch must divide by the devices.
        hosts: `Hosts`, for several processes; None, or one without values, for one.

    Returns:
        `Placement`.

    Raises:
        ValueError: there is no such strategy on this backend or no such device, or the recipe or
            the hosts do not fit it.
    """
    backend = keras.backend.backend()
    if strategy not in STRATEGIES:
        raise ValueError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. Received: {strategy!r}"
        )
    hosts = None if hosts == Hosts() else hosts
    if hosts is not None and (backend != "jax" or strategy not in ("auto", "data_parallel")):
        raise ValueError(
            "Several processes train together on the JAX backend only, because Keras cannot train "
            "with TensorFlow's strategy for several hosts: set KERAS_BACKEND=jax and pass "
            f"--strategy data_parallel. Received: strategy={strategy!r} on the {backend} backend"
        )
    if strategy == "auto":
        strategy = _automatic(backend, hosts)
    needed = _BACKENDS.get(strategy, backend)
    if needed != backend:
        here = f", or pass --strategy {_COUNTERPARTS[backend]}" if backend != "torch" else ""
        raise ValueError(
            f"Strategy {strategy!r} belongs to another backend: set KERAS_BACKEND={needed}{here}. "
            f"Received: strategy={strategy!r} on the {backend} backend"
        )
    placement = {
        "single": _single,
        "mirrored": _mirrored,
        "tpu": _tpu,
        "data_parallel": _data_parallel,
    }[strategy](hosts)
    if recipe is not None:
        _check(placement, recipe)
    return placement


def _automatic(backend: str, hosts: Hosts | None) -> str:
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_physical_devices("TPU"):
            return "tpu"
        return "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "single"
    if backend == "jax" and (hosts or len(keras.distribution.list_devices()) > 1):
        return "data_parallel"
    return "single"


def _single(_: Hosts | None) -> Placement:
    if keras.backend.backend() != "tensorflow":
        return Placement("single")
    import tensorflow as tf

    # On a CPU, TensorFlow's own kernels take a quarter of the time of XLA's.
    return Placement(
        "single", jit_compile="auto" if tf.config.list_logical_devices("GPU") else False
    )


def _mirrored(_: Hosts | None) -> Placement:
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    # Keras' step cannot be compiled with XLA under this strategy.
    return Placement("mirrored", strategy.scope, strategy.num_replicas_in_sync, jit_compile=False)


def _tpu(_: Hosts | None) -> Placement:
    import tensorflow as tf

    name = os.environ.get("TPU_NAME") or "local"
    waits = socket.getdefaulttimeout()
    # TensorFlow asks for a TPU by name without a time limit.
    socket.setdefaulttimeout(_PATIENCE)
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        address = resolver.master()
        if address:
            host, _, port = address.removeprefix("grpc://").rpartition(":")
            socket.create_connection((host, int(port))).close()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        raise ValueError(
            "No TPU was found. On a TPU's own machine install keras-cabvit[tpu-tensorflow], and "
            "leave the environment variable TPU_NAME unset or local; elsewhere pass --strategy "
            f"auto. Received: TPU_NAME={name}. TensorFlow says: {' '.join(str(error).split())}"
        ) from error
    finally:
        socket.setdefaulttimeout(waits)
    strategy = tf.distribute.TPUStrategy(resolver)
    if strategy.extended.num_hosts > 1:
        raise ValueError(
            "Strategy 'tpu' trains on the TPU of one host, because TensorFlow would give every "
            f"host the same images; this one has {strategy.extended.num_hosts} hosts. Set "
            "KERAS_BACKEND=jax and start the same command with --strategy data_parallel "
            "--hosts.coordinator auto on every host."
        )
    # The strategy compiles by itself; a compiled step fails in it.
    return Placement("tpu", strategy.scope, strategy.num_replicas_in_sync, jit_compile=False)


def _data_parallel(hosts: Hosts | None) -> Placement:
    import jax

    if hosts is not None:
        join(hosts)
    elif jax.process_count() > 1 and not jax.distributed.is_initialized():
        raise ValueError(
            f"This TPU has {jax.process_count()} hosts, which must be connected: start the same "
            "command with --hosts.coordinator auto on every host."
        )
    # Each process reads its own part of a batch, so Keras must not divide it again.
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    return Placement(
        "data_parallel",
        distribution.scope,
        jax.device_count(),
        Share(jax.process_index(), jax.process_count()),
    )


def _check(placement: Placement, recipe: Recipe) -> None:
    if recipe.batch_size % placement.replicas:
        raise ValueError(
            f"`batch_size` must be a multiple of {placement.replicas}, the number of devices that "
            f"share a batch. Received: batch_size={recipe.batch_size}"
        )
    sides = recipe.model.image_sizes or ()
    if placement.strategy in ("mirrored", "tpu"):
        own = recipe.batch_size // placement.replicas
        if own < len(sides):
            raise ValueError(
                f"Each of the {placement.replicas} devices divides its part of a batch among the "
                f"{len(sides)} sizes of `image_sizes`: `batch_size` must be at least "
                f"{len(sides) * placement.replicas}. Received: batch_size={recipe.batch_size}"
            )
    accumulation_steps = recipe.optimization.accumulation_steps
    if accumulation_steps > 1 and placement.strategy in ("mirrored", "tpu"):
        raise ValueError(
            f"Gradients cannot be accumulated under strategy {placement.strategy!r}, where Keras "
            "fails: set KERAS_BACKEND=jax and pass --strategy data_parallel, or take a larger "
            f"batch_size. Received: accumulation_steps={accumulation_steps}"
        )
