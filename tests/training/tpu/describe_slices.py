"""Counts the devices of every slice, as the TPU compiler describes it."""

from training.tpu.slices import CHIPS, find_slice


def described_slices():
    """Returns a dict from the name of every slice to the number of its devices."""
    names = [f"{chip.name}:{shape}" for chip in CHIPS.values() for shape in chip.shapes]
    return {name: len(find_slice(name).describe()) for name in names}
