r"""Fine-tuning of ImageNet's weights on your own photographs.

Command:
    python -m training train --recipe finetune --data folder:PHOTOGRAPHS --out DIR \
        --model.initial-weights imagenet
Hardware: one GPU, or a CPU with patience.
Cost and result: depend on the data. Not run here from ImageNet's weights, because none are
    published; tested from another run's `model.keras`.

Light augmentation, because the weights know photographs already, and a learning rate that falls
from block to block towards the stem (BEiT's layer-wise decay), because early layers need the least
change. Start from any run of the same variant with `--model.initial-weights DIR/model.keras`.
"""

from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

FINETUNE = Recipe(
    model=ModelOptions("CabViTH_S", drop_path_rate=0.1, initial_weights="imagenet"),
    optimization=Optimization(
        learning_rate=5e-4,
        warmup_epochs=2,
        layer_decay=0.75,
        average_momentum=0.999,
        average_warmup=True,
        clip_norm=1.0,
    ),
    augmentation=Augmentation(
        crop_scale=(0.35, 1.0),
        crop_ratio=(3 / 4, 4 / 3),
        horizontal_flip=0.5,
        erasing_probability=0.1,
        label_smoothing=0.1,
    ),
    epochs=30,
    batch_size=64,
    select="best",
)
