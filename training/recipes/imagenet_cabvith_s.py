r"""CabViTH_S (FcaFormer-L2, CabViT-H of 2022) on ImageNet-1K, as its authors trained it.

Command:
    python -m training train --recipe imagenet_cabvith_s --data tfds:imagenet2012 \
        --strategy tpu --out DIR
Hardware: the TPU of one host, with TensorFlow. A slice of several, such as v5e:4x4, trains with
    JAX: KERAS_BACKEND=jax and, on every host, --strategy data_parallel --hosts.coordinator auto.
Cost: 300 epochs of 1,251 batches of 1,024 images: 2 to 6 hours on v5e:4x4 by the estimates
    of compile-tpu, of main memory and of all memory. Not run here: no such hardware was available.
Result: published: 83.1 % top-1. Nobody has reproduced it with this project yet.

Source: FcaFormer (ICCV 2023), section on ImageNet classification, and DeiT, table 9.
"""

from training.recipes.imagenet import imagenet_recipe

IMAGENET_CABVITH_S = imagenet_recipe("CabViTH_S", drop_path_rate=0.1)
