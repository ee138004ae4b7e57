r"""CabViTH_T on Tiny ImageNet: 100,000 photographs of 64x64 pixels, 200 classes.

Command: python -m training train --recipe tiny_imagenet --data folder:PHOTOGRAPHS --out DIR
    with one folder per class; or, on a GPU and from arrays,
    KERAS_BACKEND=jax python -m training train-in-memory --recipe tiny_imagenet \
        --images images.npy --labels labels.npy --out DIR
Hardware: 2 CPU cores with TensorFlow, or one GPU with JAX.
Cost and result: this recipe as it stands has not been trained to its end. `weights="tiny_imagenet"`
    come from one NVIDIA H100 in stages of minutes, each train-in-memory with --batch-size 512
    --precision mixed_bfloat16 --augmentation.rand-augment-operations 2
    --augmentation.rand-augment-interpolation bilinear (seed 0, Keras 3.15.1, JAX 0.11.2):
    1. --optimization.learning-rate 3e-3 --optimization.warmup-epochs 5 --model.drop-path-rate 0.1
       --epochs 170, cut short after 150: 54.2 % top-1 on the 2,000 held-out images, 2.9 seconds
       per epoch after 2.5 minutes of compilation.
    2. A teacher: from 1, --model.image-size 128 128 --optimization.learning-rate 1.5e-3
       --optimization.warmup-epochs 1 --optimization.weight-decay 0.1
       --optimization.average-momentum 0.999 --model.drop-path-rate 0.2 --epochs 15: 57.6 %.
    3. From 1, --teacher 2 --teacher-share 0.8 --optimization.learning-rate 2e-3
       --optimization.average-momentum 0.9995 --augmentation.crop-scale 0.25 1.0 --epochs 40:
       57.4 %, 5 seconds per epoch; 57.8 % on the 10,000 validation images.
    The epochs of 2 and 3 were those that fit `--minutes`. 2 and 3 start from 1 with
    --model.initial-weights FILE --model.initial-classifier True.
"""

from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

TINY_IMAGENET = Recipe(
    # LayerScale's published start of 1e-6 suits 300 epochs of ImageNet, 30 times as many steps.
    model=ModelOptions("CabViTH_T", image_size=(64, 64), layer_scale_init=0.1, drop_path_rate=0.05),
    optimization=Optimization(
        learning_rate=2e-3,
        warmup_epochs=3,
        weight_decay=0.05,
        clip_norm=1.0,
        average_momentum=0.9998,
        average_warmup=True,
    ),
    augmentation=Augmentation(
        crop_scale=(0.35, 1.0),
        crop_ratio=(3 / 4, 4 / 3),
        crop_interpolation="bilinear",
        crop_antialias=False,
        horizontal_flip=0.5,
        mixup_alpha=0.2,
        cutmix_alpha=1.0,
        label_smoothing=0.1,
    ),
    epochs=30,
    batch_size=256,
    validation_share=0.02,
    evaluation_crop=1.0,
    select="last",
)
