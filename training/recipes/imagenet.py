"""The recipe that the ImageNet variants share."""

from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe


def imagenet_recipe(variant: str, drop_path_rate: float | None) -> Recipe:
    """Returns the authors' recipe for one variant.

    300 epochs, 20 of them warm-up, cosine to 1e-6; AdamW with a learning rate of 2e-3 at 1,024
    images per batch; mixup 0.8 or cutmix 1.0, RandAugment m9-std0.5-inc1, random erasing 0.25,
    label smoothing 0.1; a moving average of 0.9999; nothing is clipped.

    Args:
        variant: a name of `keras_cabvit.list_models()`.
        drop_path_rate: float, stochastic depth of the last block.
    """
    return Recipe(
        model=ModelOptions(variant, drop_path_rate=drop_path_rate),
        optimization=Optimization(
            learning_rate=2e-3,
            learning_rate_batch=1024,
            warmup_epochs=20,
            average_momentum=0.9999,
        ),
        augmentation=Augmentation(
            crop_scale=(0.08, 1.0),
            crop_ratio=(3 / 4, 4 / 3),
            crop_interpolation="bicubic",
            horizontal_flip=0.5,
            rand_augment_operations=2,
            erasing_probability=0.25,
            mixup_alpha=0.8,
            cutmix_alpha=1.0,
            label_smoothing=0.1,
        ),
        epochs=300,
        batch_size=1024,
        precision="mixed_bfloat16",
    )
