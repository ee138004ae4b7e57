"""The largest batch whose training step fits on a slice."""

from collections.abc import Callable
from dataclasses import dataclass

from training.tpu.compiled_step import CompiledStep, DoesNotFit


@dataclass(frozen=True)
class LargestBatch:
    """The largest batch found to fit in a slice's memory.

    Attributes:
        step: `CompiledStep` of the largest batch that fitted; None if not even one image per device
            did.
        refused: the smallest batch that did not fit.
        compilations: the number of steps that were compiled in the search, after the first.
    """

    step: CompiledStep | None
    refused: int
    compilations: int

    def __str__(self) -> str:
        if self.step is None:
            return "Not even one image per device fits."
        return (
            f"The largest batch that fits is {self.step.batch:,}, and {self.refused:,} does not, "
            f"by {self.compilations} further compilations."
        )


def find_largest_batch(
    compile_batch: Callable[[int], CompiledStep], batch: int, devices: int, refusal: DoesNotFit
) -> LargestBatch:
    """Searches for the largest batch that fits by compiling smaller ones.

    A step's memory grows nearly linearly with its batch, so each try is where the line through the
    nearest tries meets the usable memory, or in the middle if that line did not help. Every try
    takes minutes, so the search ends when the largest batch that fits and the smallest that does
    not are a sixteenth apart, or neighbours.

    Args:
        compile_batch: function of a batch that returns its `CompiledStep` or raises `DoesNotFit`.
        batch: integer, images on all devices, that do not fit.
        devices: integer; every batch is a multiple of it.
        refusal: the `DoesNotFit` of `batch`.

    Returns:
        A `LargestBatch`.
    """
    # In images per device. Before the first try, zero images are assumed to need no memory.
    fits, fits_memory = 0, 0
    step: CompiledStep | None = None
    refused, refused_memory = batch // devices, refusal.needed_memory or 0
    compilations = 0
    halve = False
    while refused - fits > _grain(fits):
        width = refused - fits
        tried = fits + width // 2
        if not halve and refused_memory > fits_memory:
            share = (refusal.usable_memory - fits_memory) / (refused_memory - fits_memory)
            tried = fits + int(width * share)
        tried = min(tried - tried % _grain(tried), refused - _grain(refused))
        tried = max(tried, fits + _grain(fits))
        compilations += 1
        try:
            step = compile_batch(tried * devices)
            fits, fits_memory = tried, step.peak_memory
        except DoesNotFit as error:
            refused, refused_memory = tried, error.needed_memory or 0
        halve = refused - fits > width / 2
    return LargestBatch(step, refused * devices, compilations)


def _grain(images: int) -> int:
    """Returns the largest power of two up to a sixteenth of the images, and at least 1."""
    return 2 ** max(0, (images // 16).bit_length() - 1)
