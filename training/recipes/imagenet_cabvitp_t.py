r"""CabViTP_T (FcaFormer-L0) on ImageNet-1K, by the recipe of the hybrids.

Command:
    python -m training train --recipe imagenet_cabvitp_t --data tfds:imagenet2012 \
        --strategy tpu --out DIR
Hardware: the TPU of one host, with TensorFlow. A slice of several, such as v5e:4x4, trains with
    JAX: KERAS_BACKEND=jax and, on every host, --strategy data_parallel --hosts.coordinator auto.
Cost: 300 epochs of 1,251 batches of 1,024 images: 4 hours on v5e:4x4, as compile-tpu estimated
    before ops/on_jax.py reduced it. Not run here: no such hardware was available.
Result: published: 74.3 % top-1 (DeiT-T: 72.2 %). Nobody has reproduced it with this project yet.

The authors' recipe for the plain model is not published; this is the one of their hybrids.
"""

from training.recipes.imagenet import imagenet_recipe

IMAGENET_CABVITP_T = imagenet_recipe("CabViTP_T", drop_path_rate=0.0)
