"""Notice of a backend that trains slowly on processors."""

import keras


def tell_slow_backend() -> None:
    """Prints a sentence if Keras runs on JAX or PyTorch and no accelerator is visible."""
    backend = keras.backend.backend()
    names = {"jax": "JAX", "torch": "PyTorch"}
    if backend in names and not _has_accelerator(backend):
        print(
            f"{names[backend]} trains CabViT more slowly on processors than TensorFlow, and no "
            "accelerator is visible: set the environment variable KERAS_BACKEND=tensorflow.",
            flush=True,
        )


def _has_accelerator(backend: str) -> bool:
    if backend == "jax":
        return any(not name.startswith("cpu") for name in keras.distribution.list_devices())
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()
