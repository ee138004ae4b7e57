"""The fields of a recipe."""

from dataclasses import dataclass, field
from typing import Literal

from keras_cabvit.data import evaluation_crop


@dataclass(frozen=True)
class ModelOptions:
    """The model to train. None leaves a field to the variant or the builder.

    Attributes:
        variant: a name of `keras_cabvit.list_models()`, or "CabViTH" or "CabViTP" for another size.
        image_size: (height, width) in pixels.
        image_sizes: sides in pixels of square images: each training batch is divided among these
            sizes, so that the weights suit all of them; a size given twice gets two parts. The
            largest is that of `image_size`, which is loaded and validated. None trains at
            `image_size` alone.
        embed_dims: channels; four numbers for a hybrid model, one for a plain one.
        depths: blocks; four numbers for a hybrid model, one for a plain one.
        num_heads: attention heads; two numbers for a hybrid model, one for a plain one.
        patch_size: side of a patch in pixels, of a plain model.
        max_digests: the number of earlier blocks whose digest tokens a block attends to; 0: none.
        enhance: whether blocks enhance their tokens with a depthwise convolution.
        scale_digests: whether digest tokens are multiplied by learned scale factors.
        layer_scale_init: initial LayerScale factors.
        drop_rate: dropout after projections and before the classifier.
        drop_path_rate: stochastic depth of the last block.
        initial_weights: "imagenet", "tiny_imagenet", or a `.keras` or `.weights.h5` file of any
            image size, to start from.
        initial_classifier: whether to copy their classifier too; None copies it if the weights are
            known to have the same classes, from the labels.txt beside them.
    """

    variant: str
    image_size: tuple[int, int] = (224, 224)
    embed_dims: tuple[int, ...] | None = None
    depths: tuple[int, ...] | None = None
    num_heads: tuple[int, ...] | None = None
    patch_size: int | None = None
    max_digests: int | None = None
    enhance: bool | None = None
    scale_digests: bool | None = None
    layer_scale_init: float | None = None
    drop_rate: float | None = None
    drop_path_rate: float | None = None
    initial_weights: str | None = None
    initial_classifier: bool | None = None
    image_sizes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of training images, in this order. The defaults change only the size.

    Attributes:
        crop_scale: smallest and largest share of the image's area that a random crop takes.
        crop_ratio: smallest and largest ratio of a crop's width to its height.
        crop_interpolation: interpolation of the resizing to the model's size.
        crop_antialias: whether a crop is smoothed before it is reduced.
        horizontal_flip: probability of mirroring left and right.
        vertical_flip: probability of mirroring top and bottom.
        rand_augment_operations: operations that RandAugment draws per image; 0 is none.
        rand_augment_magnitude: mean strength of an operation, 0 to 10.
        rand_augment_magnitude_std: standard deviation of the strength.
        rand_augment_probability: probability of applying each drawn operation.
        rand_augment_interpolation: interpolation of the operations that move pixels.
        erasing_probability: probability of filling a random rectangle with noise.
        mixup_alpha: parameter of the beta distribution of mixup's share; 0 switches mixup off.
        cutmix_alpha: parameter of the beta distribution of cutmix's share; 0 switches cutmix off.
            With both, a batch gets one of the two with equal probability.
        label_smoothing: share of the target that is spread over all classes.
        library: origin of the operations: "tensorflow" is this project's own, the published recipe;
            "keras_cv" takes RandAugment, MixUp and CutMix of KerasCV on whole batches, whose
            random numbers a resumed run does not reproduce.
    """

    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    crop_interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_antialias: bool = True
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    rand_augment_operations: int = 0
    rand_augment_magnitude: float = 9.0
    rand_augment_magnitude_std: float = 0.5
    rand_augment_probability: float = 0.5
    rand_augment_interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    erasing_probability: float = 0.0
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    label_smoothing: float = 0.0
    library: Literal["tensorflow", "keras_cv"] = "tensorflow"


@dataclass(frozen=True)
class Optimization:
    """The optimization of the weights: AdamW with linear warm-up and cosine decay.

    Attributes:
        learning_rate: peak of the schedule, for batches of `learning_rate_batch` images.
        learning_rate_batch: batch size that `learning_rate` is given for; it scales linearly with
            the actual one. None does not scale it.
        warmup_epochs: epochs in which the learning rate rises linearly to the peak.
        final_learning_rate: learning rate at the end of the cosine.
        weight_decay: weight decay of AdamW; vectors, such as biases and norms, do not decay.
        beta_1, beta_2, epsilon: parameters of AdamW. Epsilon is 1e-8, not Keras' 1e-7: gradients
            before LayerScale start near 1e-9.
        clip_norm: largest norm of all gradients together; None clips nothing.
        layer_decay: factor of the learning rate from one block to the preceding one; 1 trains all
            at the same rate.
        average_momentum: momentum of the exponential moving average of the weights, which is
            evaluated and saved; None keeps no average.
        average_warmup: whether the momentum rises to this value, at most (1 + n) / (10 + n) after n
            updates. The published recipe is long and does not need it; a run of a few thousand
            steps would not forget its initial weights.
        accumulation_steps: batches whose gradients are averaged into one update of the weights.
    """

    learning_rate: float
    learning_rate_batch: int | None = None
    warmup_epochs: float = 0
    final_learning_rate: float = 1e-6
    weight_decay: float = 0.05
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None
    layer_decay: float = 1.0
    average_momentum: float | None = None
    average_warmup: bool = False
    accumulation_steps: int = 1


@dataclass(frozen=True)
class Recipe:
    """A model and its training.

    Attributes:
        model: the model to train.
        optimization: the optimization of the weights.
        augmentation: the augmentation of the training images.
        epochs: passes over the training images.
        batch_size: images per step, on all devices together; a last, smaller batch is dropped.
        validation_share: share of the training images that is held out for validation, evenly by
            class, unless the data has validation images of its own.
        group_duplicates: whether the near duplicates in a folder, such as the pictures of a burst,
            are looked for, warned of, and kept together when the validation images are drawn.
        evaluation_crop: side of the centre crop that is evaluated, as a share of the shorter side;
            1 resizes the whole image to the model's size. None is the authors': 224/256, and 1 from
            384 pixels on.
        select: the weights that become the model: those of the last epoch, or of the epoch with
            the best top-1 on the validation images.
        patience: epochs without a better top-1 or a lower cross-entropy on the validation images
            after which training stops; None trains all epochs. The schedule stays that of `epochs`.
        freeze: parts of the model that keep their initial weights: layers such as "stem",
            "merging_1" and "stage_0_block_0", or whole stages such as "stage_0".
        precision: precision of the computations; weights are always float32.
        class_balance: "weights" weights the loss of each image by the inverse frequency of its
            class, so that rare classes count as much as common ones; "none" counts images alike.
    """

    model: ModelOptions
    optimization: Optimization
    augmentation: Augmentation = field(default_factory=Augmentation)
    epochs: int = 300
    batch_size: int = 1024
    validation_share: float = 0.1
    group_duplicates: bool = True
    evaluation_crop: float | None = None
    select: Literal["last", "best"] = "last"
    patience: int | None = None
    freeze: tuple[str, ...] = ()
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    class_balance: Literal["none", "weights"] = "none"

    @property
    def effective_crop(self) -> float:
        """Side of the centre crop that is evaluated, as a share of the shorter side."""
        if self.evaluation_crop is None:
            return evaluation_crop(self.model.image_size)
        return self.evaluation_crop
