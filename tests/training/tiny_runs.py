"""A recipe and images that take seconds to train on."""

import shlex

import numpy as np
from PIL import Image

from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

# TensorFlow traces this model in a third of a hybrid's time.
RECIPE = Recipe(
    model=ModelOptions(
        "CabViTP",
        image_size=(32, 32),
        embed_dims=(16,),
        depths=(2,),
        num_heads=(2,),
        patch_size=8,
        drop_path_rate=0.2,
    ),
    optimization=Optimization(learning_rate=2e-3, warmup_epochs=1, average_momentum=0.5),
    augmentation=Augmentation(horizontal_flip=0.5, mixup_alpha=0.8),
    epochs=2,
    batch_size=8,
    validation_share=0.25,
    evaluation_crop=1.0,
)
# A model of the same size, trained by the recipe fashion_mnist otherwise.
OPTIONS = shlex.split(
    "--model.variant CabViTP --model.image-size 32 32 --model.embed-dims 16 --model.depths 2 "
    "--model.num-heads 2 --model.patch-size 8 --model.drop-path-rate 0.2 "
    "--epochs 2 --batch-size 8 --validation-share 0.25 --optimization.average-momentum 0.5 "
    "--augmentation.mixup-alpha 0.8 --log"
)


def image_folder(path, images=20):
    """Writes a folder of dark and one of bright images, and returns its path."""
    rng = np.random.default_rng(0)
    for name, low, high in (("bright", 128, 256), ("dark", 0, 128)):
        (path / name).mkdir(parents=True)
        for index in range(images):
            pixels = rng.integers(low, high, (36, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path / name / f"{index:03d}.png")
    return path
