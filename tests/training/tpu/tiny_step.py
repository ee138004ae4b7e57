"""A model whose training step compiles for a TPU in half a minute."""

import shlex

from training.recipes.recipe import ModelOptions

# Large enough for its products to dominate.
TINY = ModelOptions(
    "CabViTP", image_size=(32, 32), embed_dims=(64,), depths=(2,), num_heads=(2,), patch_size=4
)
CLASSES = 10
BATCH = 64
TOPOLOGY = "v5e:2x2"
# The same as options of `python -m training compile-tpu`.
OPTIONS = shlex.split(
    "--variant CabViTP --image-size 32 32 --embed-dims 64 --depths 2 --num-heads 2 --patch-size 4 "
    "--classes 10 --topology v5e:2x2"
)
