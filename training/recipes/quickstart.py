"""A small CabViT-H on 5,000 images of Fashion-MNIST, in a few minutes on a laptop.

Command: python -m training quickstart
Hardware: 2 CPU cores.
Cost and result: measured in the README's section "Quickstart".

Sizes, epochs and learning rate were chosen by accuracy on 5,000 further images of Fashion-MNIST's
training files, which the quickstart does not ship; the test images had no part in the choice.
Images are enlarged from 28x28 to 64x64, because the stages of CabViT-H halve them five times.
"""

from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

QUICKSTART = Recipe(
    model=ModelOptions(
        "CabViTH",
        image_size=(64, 64),
        embed_dims=(24, 48, 96, 128),
        depths=(1, 1, 3, 1),
        num_heads=(3, 4),
        # LayerScale's published start of 1e-6 suits 300 epochs; ten are over before it has grown.
        layer_scale_init=0.1,
    ),
    optimization=Optimization(learning_rate=3e-3, warmup_epochs=1),
    augmentation=Augmentation(horizontal_flip=0.5, label_smoothing=0.1),
    epochs=10,
    batch_size=32,
    validation_share=0.1,
    evaluation_crop=1.0,
)
