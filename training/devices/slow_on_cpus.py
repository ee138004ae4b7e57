"""Notice of a backend and of a precision that train slowly on CPUs."""

import keras

_NAMES = {"jax": "JAX", "torch": "PyTorch"}


def tell_slow_on_cpus(variant: str, precision: str) -> None:
    """Prints a sentence for each choice that trains slowly if no accelerator is visible.

    Args:
        variant: name of the model. Plain models train on PyTorch as fast as on TensorFlow, and
            faster with many tokens.
        precision: the recipe's `precision`.
    """
    backend = keras.backend.backend()
    slow = backend in _NAMES and not (backend == "torch" and variant.startswith("CabViTP"))
    if (not slow and precision == "float32") or _has_accelerator(backend):
        return
    if slow:
        print(
            f"{_NAMES[backend]} trains CabViT more slowly on CPUs than TensorFlow, and no "
            "accelerator is visible: set the environment variable KERAS_BACKEND=tensorflow.",
            flush=True,
        )
    if precision != "float32":
        print(
            f"{precision} trains CabViT more slowly on CPUs than float32, and no accelerator is "
            "visible: give --precision float32.",
            flush=True,
        )


def _has_accelerator(backend: str) -> bool:
    if backend == "jax":
        return any(not name.startswith("cpu") for name in keras.distribution.list_devices())
    if backend == "torch":
        import torch

        return torch.cuda.is_available() or torch.backends.mps.is_available()
    import tensorflow as tf

    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())
