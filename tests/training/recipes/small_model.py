"""A plain model of a size of its own, small enough to be built for every test."""

from training.recipes.recipe import ModelOptions

SMALL = ModelOptions(
    "CabViTP",
    image_size=(32, 48),
    embed_dims=(12,),
    depths=(3,),
    num_heads=(2,),
    patch_size=8,
)
