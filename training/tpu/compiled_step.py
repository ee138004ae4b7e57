"""What a training step costs on a TPU slice, by XLA's own estimates."""

import importlib.metadata
import re
from dataclasses import dataclass

import jax

from training.recipes.model import build_model
from training.tpu.main_memory import main_memory_traffic
from training.tpu.step import lower_step

_PACKAGES = ("keras", "jax", "jaxlib", "libtpu")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_AMOUNT = r"([\d.]+)([KMGT]?)"
# Two of the compiler's ways to say so: after it has laid out the memory, and before that.
_REFUSALS = (
    re.compile(rf"Used {_AMOUNT} of {_AMOUNT} hbm"),
    re.compile(rf"\({_AMOUNT}\) exceeds available HBM \({_AMOUNT}\)"),
)


@dataclass(frozen=True)
class CompiledStep:
    """One training step on a slice: forward, backward, optimizer and averages.

    Memory, operations and traffic are the compiler's figures for one device. The times are what
    these take at the chip's published rates. As traffic the compiler also counts what moves within
    the chip: copies ahead of time into its fast memory and what is read there, a copy in slices
    several times. So the memory's time is rather too long; that of the main memory alone, which
    nothing else may delay, is rather too short. What devices send each other is in neither. What a
    real step takes has to be measured on a real TPU.

    Attributes:
        variant: the model.
        image_size: (height, width) in pixels.
        classes: integer.
        precision: of the computations.
        topology: the slice.
        devices: how many share the batch.
        batch: images a step, on all devices together.
        peak_memory: bytes a device, at the step's worst moment.
        usable_memory: bytes a device that a program may use.
        flops: operations a device a step.
        memory_traffic: bytes a device reads and writes in a step, as the compiler counts them.
        main_memory_traffic: bytes of it that move between the device and its HBM.
        arithmetic_seconds: that `flops` take at the chip's peak bfloat16 rate.
        memory_seconds: that `memory_traffic` takes at its peak bandwidth.
        step_seconds: the longer of the two.
        bound_by: "arithmetic" or "memory", whichever takes longer.
        images_per_second: of the whole slice.
        versions: of the packages that compiled, on which the figures depend.
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
        needed_memory: bytes a device, at least; None if the compiler does not say.
        usable_memory: bytes a device.
    """

    def __init__(self, message, needed_memory, usable_memory):
        super().__init__(message)
        self.needed_memory = needed_memory
        self.usable_memory = usable_memory


def compile_step(recipe, classes, tpu_slice, build=build_model):
    """Compiles the step that `fit` runs for a slice, with no TPU present.

    Args:
        recipe: `Recipe`.
        classes: integer.
        tpu_slice: `Slice`.
        build: function that returns the model, as `compiled_model` takes it.

    Returns:
        A `CompiledStep`.

    Raises:
        DoesNotFit: the step needs more memory than a device has.
        ValueError: the batch does not divide by the devices, the recipe's model cannot be, or the
            compiler failed.
    """
    tpu_slice.check_batch(recipe.batch_size)
    try:
        compiled = lower_step(recipe, classes, tpu_slice.describe(), build).compile()
    except jax.errors.JaxRuntimeError as error:
        message = str(error)
        if "RESOURCE_EXHAUSTED" in message and "hbm" in message.lower():
            raise _refusal(recipe, tpu_slice, message) from error
        raise ValueError(
            f"The TPU compiler failed: {message.splitlines()[0]} (keras-cabvit[tpu-compile] pins "
            "versions of jax and libtpu that go together.)"
        ) from error
    cost = compiled.cost_analysis()
    chip = tpu_slice.chip
    arithmetic = cost["flops"] / chip.peak_flops
    memory = cost["bytes accessed"] / chip.memory_bandwidth
    return CompiledStep(
        variant=recipe.model.variant,
        image_size=tuple(recipe.model.image_size),
        classes=classes,
        precision=recipe.precision,
        topology=tpu_slice.topology,
        devices=tpu_slice.devices,
        batch=recipe.batch_size,
        peak_memory=compiled.memory_analysis().peak_memory_in_bytes,
        usable_memory=chip.usable_memory,
        flops=cost["flops"],
        memory_traffic=cost["bytes accessed"],
        main_memory_traffic=main_memory_traffic(compiled.as_text()),
        arithmetic_seconds=arithmetic,
        memory_seconds=memory,
        step_seconds=max(arithmetic, memory),
        bound_by="arithmetic" if arithmetic > memory else "memory",
        images_per_second=recipe.batch_size / max(arithmetic, memory),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )


def _refusal(recipe, tpu_slice, message):
    """Returns a `DoesNotFit` with the amount that the compiler's message names, if it does."""
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
