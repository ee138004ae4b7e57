"""Keeping TensorFlow off the GPUs where it only reads images, or serves another backend."""

import contextlib
import functools


@functools.cache
def leave_gpus_to_the_backend():
    """Hides the GPUs from TensorFlow if Keras runs on JAX or PyTorch.

    TensorFlow takes nearly all memory of every GPU that it sees at its first operation, even in a
    data pipeline that runs on the CPU, and the backend then has too little. Only the first call in
    a process has an effect, and none if TensorFlow has already used its devices: it is then on a
    GPU on purpose.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        hide_gpus_from_tensorflow()


def hide_gpus_from_tensorflow():
    """Hides the GPUs from TensorFlow, unless it has already used its devices."""
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # the devices are in use
        tf.config.set_visible_devices([], "GPU")
