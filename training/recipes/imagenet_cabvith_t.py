r"""CabViTH_T (FcaFormer-L1) on ImageNet-1K, as its authors trained it.

Command:
    python -m training train --recipe imagenet_cabvith_t --data tfds:imagenet2012 \
        --strategy tpu --out DIR
Hardware: the TPU of one host, with TensorFlow. A slice of several, such as v5e:4x4, trains with
    JAX: KERAS_BACKEND=jax and, on every host, --strategy data_parallel --hosts.coordinator auto.
Cost: 300 epochs of 1,251 batches of 1,024 images: 5 hours on v5e:4x4, as compile-tpu estimated
    before ops/on_jax.py reduced it. Not run here: no such hardware was available.
Result: published: 80.3 % top-1. Nobody has reproduced it with this project yet.

Source: FcaFormer (ICCV 2023), section on ImageNet classification, and DeiT, table 9.
"""

from training.recipes.imagenet import imagenet_recipe

IMAGENET_CABVITH_T = imagenet_recipe("CabViTH_T", drop_path_rate=0.0)
