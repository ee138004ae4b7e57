"""The largest batch whose training step fits on a slice."""

from dataclasses import dataclass

from training.tpu.compiled_step import CompiledStep, DoesNotFit


@dataclass(frozen=True)
class LargestBatch:
    """Between which batches a slice's memory ends.

    Attributes:
        step: `CompiledStep` of the largest batch that was seen to fit; None if not even one image a
            device does.
        refused: the smallest batch that was seen not to fit.
        compilations: how many steps were compiled to find out, after the first.
    """

    step: CompiledStep | None
    refused: int
    compilations: int

    def __str__(self):
        if self.step is None:
            return "Not even one image a device fits."
        return (
            f"The largest batch that fits is {self.step.batch:,}, and {self.refused:,} does not: "
            f"so said {self.compilations} further compilations."
        )


def find_largest_batch(compile_batch, batch, devices, refusal):
    """Compiles smaller batches until it is known which is the largest that fits.

    A step's memory grows nearly linearly with its batch, so each try is where the line through the
    nearest tries meets the memory there is, or in the middle where that line did not help. Every
    try takes minutes, so the search ends when the largest batch that fits and the smallest that
    does not are a sixteenth apart, or neighbours.

    Args:
        compile_batch: function of a batch that returns its `CompiledStep` or raises `DoesNotFit`.
        batch: integer, images on all devices, that do not fit.
        devices: integer, of which every batch is a multiple.
        refusal: the `DoesNotFit` of `batch`.

    Returns:
        A `LargestBatch`.
    """
    # In images a device. No images need no memory, as far as is known before the first try.
    fits, fits_memory, step = 0, 0, None
    refused, refused_memory = batch // devices, refusal.needed_memory
    compilations = 0
    halve = False
    while refused - fits > _grain(fits):
        width = refused - fits
        tried = fits + width // 2
        if not halve and (refused_memory or 0) > fits_memory:
            share = (refusal.usable_memory - fits_memory) / (refused_memory - fits_memory)
            tried = fits + int(width * share)
        tried = min(tried - tried % _grain(tried), refused - _grain(refused))
        tried = max(tried, fits + _grain(fits))
        compilations += 1
        try:
            step = compile_batch(tried * devices)
            fits, fits_memory = tried, step.peak_memory
        except DoesNotFit as error:
            refused, refused_memory = tried, error.needed_memory
        halve = refused - fits > width / 2
    return LargestBatch(step, refused * devices, compilations)


def _grain(images):
    """Returns the power of two that is nearest below a sixteenth of the images, and at least 1."""
    return 2 ** max(0, (images // 16).bit_length() - 1)
