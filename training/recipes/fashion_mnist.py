"""CabViTH_T on the whole of Fashion-MNIST: 60,000 images of ten kinds of clothes.

Command: python -m training train --recipe fashion_mnist --data fashion_mnist --out DIR
Hardware: 2 CPU cores are enough, with TensorFlow.
Cost and result: 2 to 2.5 hours on two free cores (AMD EPYC with AVX-512); 93.75 % top-1 on the
    10,000 test images (seed 0, saved_models/fashion_mnist_cabvith_t).

Images are enlarged from 28x28 to 64x64, because the stages of CabViT-H halve them five times.
"""

from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

FASHION_MNIST = Recipe(
    # LayerScale's published start of 1e-6 suits 300 epochs; these are over before it has grown.
    model=ModelOptions("CabViTH_T", image_size=(64, 64), layer_scale_init=0.1, drop_path_rate=0.1),
    optimization=Optimization(
        learning_rate=1.5e-3, warmup_epochs=1, average_momentum=0.999, average_warmup=True
    ),
    augmentation=Augmentation(
        crop_scale=(0.75, 1.0),
        crop_ratio=(0.85, 1.15),
        crop_interpolation="bilinear",
        crop_antialias=False,
        horizontal_flip=0.5,
        erasing_probability=0.25,
        label_smoothing=0.1,
    ),
    epochs=32,
    batch_size=128,
    validation_share=1 / 12,
    evaluation_crop=1.0,
    select="last",
)
