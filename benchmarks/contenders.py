"""The models that the benchmarks compare, on the frameworks that run them.

A process runs one framework, because Keras has one backend per process: these functions are called
in a process of `benchmarks.in_turns`, and import what they need. On a computer with an NVIDIA GPU,
frameworks built for GPUs run on it.
"""

import dataclasses
import tempfile

import numpy as np


@dataclasses.dataclass(frozen=True)
class Contender:
    """A model in one form.

    Attributes:
        model: a variant such as "CabViTH_S", a model of `keras.applications`, a model of timm, or
            "matrix product", of two square matrices: the best that the processor can do.
        framework: "tensorflow", "jax" or "torch" for Keras on that backend, or "timm" for PyTorch
            without Keras.
        precision: "float32" or "mixed_bfloat16"; with the latter, a fused model's weights are
            bfloat16.
        batch: integer, images at a time.
        fused: whether it is fused by `keras_cabvit.inference.fuse`; only for the variants.
        exported: whether it is the SavedModel of `keras_cabvit.export`, run by TensorFlow.
        frozen: whether the weights of the SavedModel are constants of its graph.
        image_size: integer, height and width.
        training: whether to run a whole training step: forward, backward and AdamW.
        windowed: whether the attention stays inside windows; only for hybrid variants.
    """

    model: str
    framework: str
    precision: str = "float32"
    batch: int = 1
    fused: bool = False
    exported: bool = False
    frozen: bool = False
    image_size: int = 224
    training: bool = False
    windowed: bool = False

    @property
    def label(self):
        """The model and its form."""
        form = ", fused" * self.fused + ", SavedModel" * self.exported
        return f"{self.model}{form}{' with frozen weights' * self.frozen}"

    def __str__(self):
        form = ", in windows" * self.windowed
        size = "" if self.image_size == 224 else f", {self.image_size}x{self.image_size}"
        return f"{self.label}{form}{size}, {self.framework}, {self.precision}, batch {self.batch}"


MATRIX_PRODUCT = "matrix product"
# Large enough for each framework to reach its best.
_MATRIX_SIDE_ON_CPU, _MATRIX_SIDE_ON_GPU = 2048, 8192


class Models:
    """Builds the contenders of one framework, each model once for all batch sizes."""

    def __init__(self):
        self._models = {}

    def runner(self, contender):
        """Returns a function that runs a contender once, and the number of its operations.

        A multiplication and an addition count as two operations. A training step counts as three
        forward passes, as is usual.
        """
        if contender.model == MATRIX_PRODUCT:
            side = _MATRIX_SIDE_ON_GPU if _has_gpu(contender.framework) else _MATRIX_SIDE_ON_CPU
            return _matrix_product(contender, side), 2 * side**3
        key = dataclasses.replace(contender, batch=1)
        if key not in self._models:
            build = _timm_model if contender.framework == "timm" else _keras_model
            self._models[key] = build(contender)
        model, operations = self._models[key]
        run = {
            ("timm", False): _timm_inference,
            ("timm", True): _timm_step,
            ("tensorflow", False): _tensorflow_inference,
            ("jax", False): _jax_inference,
            ("torch", False): _torch_inference,
        }.get((contender.framework, contender.training), _keras_step)
        return run(model, contender), contender.batch * operations * (
            3 if contender.training else 1
        )


def _images(contender):
    shape = (contender.batch, contender.image_size, contender.image_size, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def _labels(contender):
    return np.random.default_rng(0).integers(0, 1000, contender.batch)


def _has_gpu(framework):
    if framework == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if framework == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def _matrix_product(contender, side):
    random = np.random.default_rng(0)
    factors = [random.normal(size=(side, side)).astype("float32") for _ in "ab"]
    half = contender.precision != "float32"
    if contender.framework == "tensorflow":
        import tensorflow as tf

        one, other = (tf.cast(each, tf.bfloat16 if half else tf.float32) for each in factors)
        product = tf.function(lambda: tf.matmul(one, other))
        return lambda: product().numpy()
    if contender.framework == "jax":
        import jax

        one, other = (jax.numpy.asarray(each, "bfloat16" if half else None) for each in factors)
        product = jax.jit(jax.numpy.matmul)
        return lambda: jax.block_until_ready(product(one, other))
    import torch

    one, other = (
        torch.from_numpy(each).to(_torch_device(), torch.bfloat16 if half else torch.float32)
        for each in factors
    )
    return _finished(lambda: one @ other)


def _keras_model(contender):
    import keras

    if keras.backend.backend() != contender.framework:
        raise RuntimeError(f"Keras runs on {keras.backend.backend()}, not {contender.framework}.")
    from keras_cabvit.inference import fuse
    from keras_cabvit.models import count_complexity, list_models

    keras.config.set_dtype_policy(contender.precision)
    keras.utils.set_random_seed(0)
    if contender.model in list_models():
        model = _cabvit(contender)
    else:
        shape = (contender.image_size, contender.image_size, 3)
        model = getattr(keras.applications, contender.model)(weights=None, input_shape=shape)
        _fill_constants(keras.ops.convert_to_numpy, model.weights)
    operations = 2 * sum(part.macs for part in count_complexity(model))
    if contender.exported:
        return _saved_model(model, contender), operations
    if contender.fused:
        dtype = None if contender.precision == "float32" else "bfloat16"
        model = fuse(model, dtype=dtype)
    return model, operations


def _saved_model(model, contender):
    from keras_cabvit.export import to_saved_model
    from keras_cabvit.runtimes.reading import read_saved_model

    with tempfile.TemporaryDirectory() as folder:
        path = to_saved_model(
            model,
            folder,
            precision=contender.precision.removeprefix("mixed_"),
            frozen_weights=contender.frozen,
            batch_sizes=(),
        )
        return read_saved_model(path)


def _cabvit(contender):
    from benchmarks.filled_model import filled_model
    from keras_cabvit.models import build_variant
    from keras_cabvit.weights import transfer_weights

    model = filled_model(contender.model)
    if contender.image_size == 224:
        return model
    shape = (contender.image_size, contender.image_size, 3)
    resized = build_variant(contender.model, input_shape=shape, windowed=contender.windowed)
    transfer_weights(model, resized)
    return resized


def _fill_constants(as_array, weights):
    """Fills biases, scales and the like with random values, as if trained.

    Graph compilers remove additions of zeros and multiplications by ones, and then fuse the
    neighbouring operations differently.
    """
    random = np.random.default_rng(0)
    for weight in weights:
        value = as_array(weight)
        if value.size > 1 and np.issubdtype(value.dtype, np.floating) and np.ptp(value) == 0:
            noise = random.normal(0, 0.02, value.shape)
            weight.assign((value + noise).astype(value.dtype))


def _tensorflow_inference(model, contender):
    import tensorflow as tf

    images = tf.constant(_images(contender))
    if contender.exported:
        # A signature does not keep the variables alive; `model` does.
        run, images = model.signatures["serving_default"], tf.cast(images, tf.uint8)
        return lambda: next(iter(run(images).values())).numpy()
    run = tf.function(lambda images: model(images, training=False))
    return lambda: run(images).numpy()


def _jax_inference(model, contender):
    import jax

    images = jax.numpy.asarray(_images(contender))
    run = jax.jit(lambda *arguments: model.stateless_call(*arguments, training=False)[0])
    state = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    return lambda: jax.block_until_ready(run(*state, images))


def _torch_inference(model, contender):
    import torch

    images = torch.from_numpy(_images(contender)).to(_torch_device())

    def run():
        with torch.inference_mode():
            return model(images, training=False)

    return _finished(run)


def _keras_step(model, contender):
    from training.optimization.optimizer import make_optimizer
    from training.recipes.imagenet_cabvith_s import IMAGENET_CABVITH_S

    model.compile(
        make_optimizer(model, IMAGENET_CABVITH_S, 1000),
        loss="sparse_categorical_crossentropy",
    )
    images, labels = _images(contender), _labels(contender)
    return lambda: model.train_on_batch(images, labels)


def _timm_model(contender):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    timm = _import_timm()
    torch.manual_seed(0)
    model = timm.create_model(contender.model).to(memory_format=torch.channels_last)
    _fill_torch_constants(model)
    image = torch.zeros(1, 3, contender.image_size, contender.image_size)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(image)
    return model.to(_torch_device()), counter.get_total_flops()


def _torch_device():
    import torch

    return torch.device("cuda" if _has_gpu("torch") else "cpu")


def _finished(run):
    """Returns a function that runs and waits, which PyTorch does not do for a GPU."""
    import torch

    def run_and_wait():
        result = run()
        if _has_gpu("torch"):
            torch.cuda.synchronize()
        return result

    return run_and_wait


def _compiled(function):
    """Compiles on a GPU, as users would; on a CPU, PyTorch would need a C++ compiler."""
    import torch

    return torch.compile(function) if _has_gpu("torch") else function


def _import_timm():
    """Imports timm even when torchvision lacks its own operators.

    timm imports torchvision, which registers functions for these operators; some package indexes
    have no CPU build of it. The models do not use them.
    """
    import importlib
    import re

    import torch

    declared = []
    for _ in range(100):
        try:
            return importlib.import_module("timm")
        except RuntimeError as error:
            missing = re.search(r"operator (torchvision::\w+) does not exist", str(error))
            if missing is None:
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{missing[1].partition('::')[2]}(Tensor x) -> Tensor")
            declared.append(library)
    raise ImportError(f"torchvision lacks more than {len(declared)} operators.")


def _fill_torch_constants(model):
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if (
                value.is_floating_point()
                and value.numel() > 1
                and bool((value == value.flatten()[0]).all())
            ):
                value += 0.02 * torch.randn(value.shape, generator=generator)


def _timm_images(contender):
    import torch

    images = torch.from_numpy(_images(contender) / 127.5 - 1).permute(0, 3, 1, 2)
    return images.contiguous(memory_format=torch.channels_last).to(_torch_device())


def _autocast(contender):
    import torch

    return torch.autocast(
        _torch_device().type, torch.bfloat16, enabled=contender.precision != "float32"
    )


def _timm_inference(model, contender):
    import torch

    model.eval()
    images, forward = _timm_images(contender), _compiled(model)

    def run():
        with torch.inference_mode(), _autocast(contender):
            return forward(images)

    return _finished(run)


def _timm_step(model, contender):
    import torch

    model.train()
    images, forward = _timm_images(contender), _compiled(model)
    labels = torch.from_numpy(_labels(contender)).to(_torch_device())
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)

    def run():
        optimizer.zero_grad()
        with _autocast(contender):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run
