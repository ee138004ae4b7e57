"""The cost of a training step on a TPU slice, by XLA's own estimates."""

import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import keras

from keras_cabvit.first_line import first_line
from training.recipes.model import build_model
from training.recipes.recipe import Recipe
from training.tpu.main_memory import main_memory_traffic
from training.tpu.slices import Slice
from training.tpu.step import lower_step

_PACKAGES = ("keras", "jax", "jaxlib", "libtpu")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_AMOUNT = r"([\d.]+)([KMGT]?)"
# The compiler's two messages: after laying out the memory, and before.
_REFUSALS = (
    re.compile(rf"Used {_AMOUNT} of {_AMOUNT} hbm"),
    re.compile(rf"\({_AMOUNT}\) exceeds available HBM \({_AMOUNT}\)"),
)


@dataclass(frozen=True)
class CompiledStep:
    """One training step on a slice: forward, backward, optimizer and averages.

    Memory, operations and traffic are the compiler's figures for one device. The times follow from
    these at the chip's published rates. The compiler's traffic includes transfers within the chip:
    prefetches into its fast memory and reads there, a sliced copy several times. So the memory's
    time is an overestimate; that of only the main memory, which assumes no other delay, is an
    underestimate. Neither includes communication between devices. The real time of a step must be
    measured on a real TPU.

    Attributes:
        variant: the model.
        image_size: (height, width) in pixels.
        classes: integer.
        precision: precision of the computations.
        topology: the slice.
        devices: the number of devices that share the batch.
        batch: images per step, on all devices together.
        peak_memory: bytes per device at the peak of the step.
        usable_memory: bytes per device that a program may use.
        flops: operations per device and step.
        memory_traffic: bytes that a device reads and writes per step, as the compiler counts them.
        main_memory_traffic: the part of it between the device and its HBM.
        arithmetic_seconds: time of `flops` at the chip's peak bfloat16 rate.
        memory_seconds: time of `memory_traffic` at its peak bandwidth.
        step_seconds: the longer of the two.
        bound_by: "arithmetic" or "memory", whichever takes longer.
        images_per_second: speed of the whole slice.
        versions: versions of the compiling packages, on which the figures depend.
    """

    variant: str
    image_size: tuple[int, int]
    classes: int
    precision: str
    topology: str
    devices: int
    batch: int
    peak_memory: int
    usable_memory: int
    flops: float
    memory_traffic: float
    main_memory_traffic: int
    arithmetic_seconds: float
    memory_seconds: float
    step_seconds: float
    bound_by: str
    images_per_second: float
    versions: dict[str, str]


class DoesNotFit(ValueError):
    """A step needs more memory than a device has.

    Attributes:
        needed_memory: bytes per device, at least; None if the compiler does not say.
        usable_memory: bytes per device.
    """

    def __init__(self, message: str, needed_memory: int | None, usable_memory: int):
        super().__init__(message)
        self.needed_memory = needed_memory
        self.usable_memory = usable_memory


def compile_step(
    recipe: Recipe, classes: int, tpu_slice: Slice, build: Callable[..., keras.Model] = build_model
) -> CompiledStep:
    """Compiles the step that `fit` runs for a slice, with no TPU present.

    Args:
        recipe: `Recipe`.
        classes: integer.
        tpu_slice: `Slice`.
        build: as in `lower_step`.

    Returns:
        A `CompiledStep`.

    Raises:
        DoesNotFit: the step needs more memory than a device has.
        ValueError: the batch does not divide by the devices, the recipe's model is impossible, or
            the compiler failed.
    """
    tpu_slice.check_batch(recipe.batch_size)
    try:
        compiled = lower_step(recipe, classes, tpu_slice.describe(), build).compile()
    except jax.errors.JaxRuntimeError as error:
        message = str(error)
        if "RESOURCE_EXHAUSTED" in message and "hbm" in message.lower():
            raise _refusal(recipe, tpu_slice, message) from error
        raise ValueError(
            f"The TPU compiler failed: {first_line(error)} (keras-cabvit[tpu-compile] pins "
            "versions of jax and libtpu that go together.)"
        ) from error
    cost: Any = compiled.cost_analysis()
    memory_use: Any = compiled.memory_analysis()
    height, width = recipe.model.image_size
    chip = tpu_slice.chip
    arithmetic = cost["flops"] / chip.peak_flops
    memory = cost["bytes accessed"] / chip.memory_bandwidth
    return CompiledStep(
        variant=recipe.model.variant,
        image_size=(height, width),
        classes=classes,
        precision=recipe.precision,
        topology=tpu_slice.topology,
        devices=tpu_slice.devices,
        batch=recipe.batch_size,
        peak_memory=memory_use.peak_memory_in_bytes,
        usable_memory=chip.usable_memory,
        flops=cost["flops"],
        memory_traffic=cost["bytes accessed"],
        main_memory_traffic=main_memory_traffic(str(compiled.as_text())),
        arithmetic_seconds=arithmetic,
        memory_seconds=memory,
        step_seconds=max(arithmetic, memory),
        bound_by="arithmetic" if arithmetic > memory else "memory",
        images_per_second=recipe.batch_size / max(arithmetic, memory),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )


def _refusal(recipe: Recipe, tpu_slice: Slice, message: str) -> DoesNotFit:
    """Returns a `DoesNotFit` with the amount in the compiler's message, if there is one."""
    needed, amount = None, "more than"
    for refusal in _REFUSALS:
        found = refusal.search(message)
        if found:
            needed = int(float(found[1]) * _UNITS[found[2]])
            amount = f"at least {needed / 2**30:.2f} GiB of"
    usable = tpu_slice.chip.usable_memory
    return DoesNotFit(
        f"A batch of {recipe.batch_size:,} images of {recipe.model.variant} does not fit on "
        f"{tpu_slice.topology}: a device needs {amount} the {usable / 2**30:.2f} GiB it has.",
        needed,
        usable,
    )
