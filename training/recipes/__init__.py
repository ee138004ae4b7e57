"""Recipes: models and their training, as data."""

from training.recipes.elpv import ELPV
from training.recipes.fashion_mnist import FASHION_MNIST
from training.recipes.finetune import FINETUNE
from training.recipes.imagenet_cabvith_b import IMAGENET_CABVITH_B
from training.recipes.imagenet_cabvith_l import IMAGENET_CABVITH_L
from training.recipes.imagenet_cabvith_s import IMAGENET_CABVITH_S
from training.recipes.imagenet_cabvith_t import IMAGENET_CABVITH_T
from training.recipes.imagenet_cabvitp_t import IMAGENET_CABVITP_T
from training.recipes.tiny_imagenet import TINY_IMAGENET

RECIPES = {
    "imagenet_cabvith_t": IMAGENET_CABVITH_T,
    "imagenet_cabvith_s": IMAGENET_CABVITH_S,
    "imagenet_cabvith_b": IMAGENET_CABVITH_B,
    "imagenet_cabvith_l": IMAGENET_CABVITH_L,
    "imagenet_cabvitp_t": IMAGENET_CABVITP_T,
    "finetune": FINETUNE,
    "fashion_mnist": FASHION_MNIST,
    "tiny_imagenet": TINY_IMAGENET,
    "elpv": ELPV,
}
