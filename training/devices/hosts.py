"""Several processes that train together, one per host, on the JAX backend."""

import json
import socket
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

# Seconds that a process waits for the others to start, as long as JAX itself waits.
PATIENCE = 300
# Seconds after which JAX ends a process whose peer has left with an error.
_SHUTDOWN_PATIENCE = 60


@dataclass(frozen=True)
class Hosts:
    """Addresses by which the processes of a run find each other.

    The same command is started once on every host, with another `index`. All of them read the same
    data and see the same folder of the run, which only the first writes.

    Attributes:
        coordinator: HOST:PORT of the first process, which the others must reach; "auto" lets JAX
            find all processes, as it can on Cloud TPU, under Slurm and under Open MPI.
        count: the number of processes.
        index: the number of this process, from 0.
    """

    coordinator: str | None = None
    count: int | None = None
    index: int | None = None


def join(hosts: Hosts) -> None:
    """Connects this process to the others, and waits for them. A second call does nothing.

    Args:
        hosts: `Hosts`.

    Raises:
        ValueError: something is missing or wrong, or the first process cannot be reached.
    """
    import jax

    _check(hosts)
    if jax.distributed.is_initialized():
        return
    found: dict[str, Any] = {}
    if hosts.coordinator != "auto":
        found = {
            "coordinator_address": hosts.coordinator,
            "num_processes": hosts.count,
            "process_id": hosts.index,
        }
        print(
            f"Process {hosts.index} of {hosts.count}: waiting for the others at "
            f"{hosts.coordinator}, {PATIENCE} seconds at most.",
            flush=True,
        )
        # An error here would end the process inside JAX, without a clear message.
        name, _, port = str(hosts.coordinator).rpartition(":")
        if hosts.index:
            _wait_for(name.strip("[]"), int(port))
        else:
            _check_free(int(port))
    try:
        jax.distributed.initialize(**found, shutdown_timeout_seconds=_SHUTDOWN_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"The processes could not be connected (`hosts.coordinator` is {hosts.coordinator!r}). "
            f"JAX says: {error}"
        ) from error


def gather(value: Any) -> list:
    """Returns the values of all processes, in their order, once each of them has called it.

    Args:
        value: an object that JSON can represent.
    """
    if keras.backend.backend() != "jax":
        return [value]
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return [value]
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.int32(text.size))
    padded = np.zeros(sizes.max(), np.uint8)
    padded[: text.size] = text
    texts = multihost_utils.process_allgather(padded)
    return [json.loads(text[:size].tobytes()) for text, size in zip(texts, sizes, strict=True)]


def stop_agreed(step: int) -> bool:
    """Returns whether all processes stop after this step, because one of them got SIGTERM.

    JAX catches the signal and lets the processes agree on a step that none has passed, without
    waiting for each other. Every process must ask after every step.

    Args:
        step: integer, batches trained so far.
    """
    from jax.experimental import multihost_utils

    return multihost_utils.reached_preemption_sync_point(step)


def _check(hosts: Hosts) -> None:
    if hosts.coordinator == "auto":
        return
    if hosts.coordinator is None or hosts.count is None or hosts.index is None:
        raise ValueError(
            "Several processes need --hosts.coordinator, --hosts.count and --hosts.index, all "
            "three; on Cloud TPU, and under Slurm or Open MPI, --hosts.coordinator auto is enough. "
            f"Received: {hosts}"
        )
    name, _, port = hosts.coordinator.rpartition(":")
    if not (name and port.isdecimal()):
        raise ValueError(
            "`hosts.coordinator` must be the HOST:PORT of the first process, or auto. Received: "
            f"{hosts.coordinator!r}"
        )
    if not 0 <= hosts.index < hosts.count:
        raise ValueError(
            "`hosts.index` must be from 0 to `hosts.count` - 1. Received: "
            f"index={hosts.index}, count={hosts.count}"
        )


def _check_free(port: int) -> None:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=both).close()
    except OSError as error:
        raise ValueError(
            f"Port {port} of this host, which `hosts.coordinator` names, cannot be opened: "
            f"{error.strerror}. Choose another one, the same for all processes."
        ) from error


def _wait_for(name: str, port: int) -> None:
    begun = time.monotonic()
    while True:
        try:
            socket.create_connection((name, port), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() - begun > PATIENCE:
                raise ValueError(
                    f"Nobody answers at {name}:{port}, which `hosts.coordinator` names: {error}. "
                    "The process with --hosts.index 0 must run on that host, and its port must be "
                    "open to this one."
                ) from error
            time.sleep(1)
