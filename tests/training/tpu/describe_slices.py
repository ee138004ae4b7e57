"""Counts the devices of every slice, as the TPU compiler describes it."""

import json

from training.tpu.slices import CHIPS, find_slice

names = [f"{chip.name}:{shape}" for chip in CHIPS.values() for shape in chip.shapes]
print(json.dumps({name: len(find_slice(name).describe()) for name in names}))
