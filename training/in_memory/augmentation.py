"""Augmentation of whole batches in JAX, on the accelerator that trains.

The operations of `training.augmentation`: random resized crop, mirroring, RandAugment, mixup and
cutmix. The random numbers are other ones, and pixels are float32 in [0, 255] throughout, not
rounded after each operation.
"""

import jax
import jax.numpy as jnp

from keras_cabvit.models.preprocessing import IMAGENET_MEAN
from training.recipes.recipe import Augmentation

# The mean of the ImageNet pixels: the colour that fills the space left by a moved image.
FILL = tuple(float(round(255 * value)) for value in IMAGENET_MEAN)


def augment(key: jax.Array, images: jax.Array, augmentation: Augmentation) -> jax.Array:
    """Crops, mirrors and applies RandAugment, with random numbers for each image.

    Args:
        key: JAX random key.
        images: uint8 or float32 array (batch, height, width, 3), pixels in [0, 255].
        augmentation: `Augmentation`; its fields for crops, mirroring and RandAugment are used.

    Returns:
        A float32 array of the same shape, pixels in [0, 255].
    """
    crop_key, *keys = jax.random.split(key, 1 + augmentation.rand_augment_operations)
    images = _sample(images.astype("float32"), *_crops(crop_key, images.shape, augmentation))
    for operation_key in keys:
        images = _rand_augment(operation_key, images, augmentation)
    return images


def mix(
    key: jax.Array, images: jax.Array, targets: jax.Array, augmentation: Augmentation
) -> tuple[jax.Array, jax.Array]:
    """Mixes a batch with itself in reverse order, by mixup or cutmix.

    With both, each image draws one of them evenly; each has a share of its own, as in timm's
    element mode.

    Args:
        key: JAX random key.
        images: float32 array (batch, height, width, 3).
        targets: float32 array (batch, classes), whose rows add up to 1.
        augmentation: `Augmentation`, of which `mixup_alpha` and `cutmix_alpha` are used.

    Returns:
        images: float32 array (batch, height, width, 3).
        targets: float32 array (batch, classes), whose rows add up to 1.
    """
    mixup, cutmix = augmentation.mixup_alpha, augmentation.cutmix_alpha
    if not (mixup or cutmix):
        return images, targets
    size = images.shape[1:3]

    def weight_of_partner(key: jax.Array) -> jax.Array:
        """Returns the weights of the partner's pixels (height, width) for one image."""
        choice_key, mixup_key, cutmix_key = jax.random.split(key, 3)
        if not cutmix:
            return _mixup_weight(mixup_key, size, mixup)
        if not mixup:
            return _cutmix_weight(cutmix_key, size, cutmix)
        return jnp.where(
            jax.random.bernoulli(choice_key),
            _cutmix_weight(cutmix_key, size, cutmix),
            _mixup_weight(mixup_key, size, mixup),
        )

    weights = jax.vmap(weight_of_partner)(jax.random.split(key, len(images)))
    shares = jnp.mean(weights, axis=(1, 2))[:, None]
    weights = weights[..., None]
    return (
        images * (1 - weights) + images[::-1] * weights,
        targets * (1 - shares) + targets[::-1] * shares,
    )


def smooth(labels: jax.Array, classes: int, smoothing: float) -> jax.Array:
    """Returns one-hot targets with a share spread over all classes, float32 (batch, classes)."""
    return jax.nn.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes


def _mixup_weight(key: jax.Array, size: tuple, alpha: float) -> jax.Array:
    return jnp.full(size, 1 - jax.random.beta(key, alpha, alpha))


def _cutmix_weight(key: jax.Array, size: tuple, alpha: float) -> jax.Array:
    """Returns 1 inside a rectangle whose centre may lie anywhere, and 0 outside."""
    share_key, place_key = jax.random.split(key)
    side = jnp.sqrt(1 - jax.random.beta(share_key, alpha, alpha))
    sides = jnp.array(size) * side
    center = jax.random.uniform(place_key, (2,)) * jnp.array(size)
    low, high = jnp.round(center - sides / 2), jnp.round(center + sides / 2)
    rows, columns = jnp.arange(size[0]), jnp.arange(size[1])
    inside = ((rows >= low[0]) & (rows < high[0]))[:, None] & (
        (columns >= low[1]) & (columns < high[1])
    )
    return inside.astype("float32")


def _crops(key: jax.Array, shape: tuple, augmentation: Augmentation) -> tuple[jax.Array, jax.Array]:
    """Draws the affine maps of random resized crops, some of them mirrored.

    Returns:
        matrices: float32 array (batch, 2, 2), from output to input coordinates (y, x), both
            centred.
        offsets: float32 array (batch, 2), the crops' centres in pixels off the images' centres.
    """
    batch, height, width, _ = shape
    area_key, ratio_key, place_key, flip_key = jax.random.split(key, 4)
    low, high = augmentation.crop_scale
    area = jax.random.uniform(area_key, (batch,), minval=low, maxval=high)
    log_low, log_high = jnp.log(jnp.array(augmentation.crop_ratio))
    ratio = jnp.exp(jax.random.uniform(ratio_key, (batch,), minval=log_low, maxval=log_high))
    # Shares of the image's sides. A crop that would stick out is cut to the side.
    scale = jnp.minimum(jnp.stack([jnp.sqrt(area / ratio), jnp.sqrt(area * ratio)], -1), 1.0)
    free = (1 - scale) * jnp.array([height, width])
    offsets = (jax.random.uniform(place_key, (batch, 2)) - 0.5) * free
    mirrored = jax.random.bernoulli(flip_key, augmentation.horizontal_flip, (batch,))
    signs = jnp.stack([jnp.ones(batch), jnp.where(mirrored, -1.0, 1.0)], -1)
    return jax.vmap(jnp.diag)(scale * signs), offsets


def _sample(images: jax.Array, matrices: jax.Array, offsets: jax.Array) -> jax.Array:
    """Samples images at affine maps of the output's coordinates, bilinearly.

    Args:
        images: float32 array (batch, height, width, 3).
        matrices: float32 array (batch, 2, 2), from output to input coordinates (y, x), centred.
        offsets: float32 array (batch, 2), added to the input coordinates, in pixels.
    """
    _, height, width, _ = images.shape
    center = jnp.array([(height - 1) / 2, (width - 1) / 2])
    grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"), -1)
    places = jnp.einsum("bij,hwj->bhwi", matrices, grid - center, precision="highest")
    places += (offsets + center)[:, None, None]

    def sample(image: jax.Array, places: jax.Array) -> jax.Array:
        inside = (places > -0.5) & (places < jnp.array([height, width]) - 0.5)
        low = jnp.floor(places)
        share = places - low
        low = low.astype("int32")
        total = jnp.zeros(())
        for dy in (0, 1):
            for dx in (0, 1):
                row = jnp.clip(low[..., 0] + dy, 0, height - 1)
                column = jnp.clip(low[..., 1] + dx, 0, width - 1)
                weight_y = share[..., 0] if dy else 1 - share[..., 0]
                weight_x = share[..., 1] if dx else 1 - share[..., 1]
                total += image[row, column] * (weight_y * weight_x)[..., None]
        return jnp.where(jnp.all(inside, -1, keepdims=True), total, jnp.array(FILL))

    return jax.vmap(sample)(images, places)


def _rand_augment(key: jax.Array, images: jax.Array, augmentation: Augmentation) -> jax.Array:
    """Applies one operation of RandAugment to each image, or none."""
    batch = images.shape[0]
    which_key, applied_key, strength_key, sign_key = jax.random.split(key, 4)
    applied = jax.random.bernoulli(applied_key, augmentation.rand_augment_probability, (batch,))
    which = jnp.where(
        applied, jax.random.randint(which_key, (batch,), 0, 5 + len(_COLOR_OPERATIONS)), -1
    )
    strength = augmentation.rand_augment_magnitude + (
        augmentation.rand_augment_magnitude_std * jax.random.normal(strength_key, (batch,))
    )
    strength = jnp.clip(strength / 10, 0, 1)
    signed = strength * jnp.where(jax.random.bernoulli(sign_key, 0.5, (batch,)), 1.0, -1.0)

    images = _moved(images, which, signed)
    strength = strength[:, None, None, None]
    factor = jnp.maximum(1 + signed * 0.9, 0.1)[:, None, None, None]
    for index, operation in enumerate(_COLOR_OPERATIONS, start=5):
        chosen = (which == index)[:, None, None, None]
        images = jnp.where(chosen, operation(images, strength, factor), images)
    return images


def _moved(images: jax.Array, which: jax.Array, signed: jax.Array) -> jax.Array:
    """Rotates (operation 0), shears (1, 2) or translates (3, 4) the images that drew it."""
    _, height, width, _ = images.shape
    angle = jnp.where(which == 0, signed * jnp.pi / 6, 0)
    shear_x = jnp.where(which == 1, signed * 0.3, 0)
    shear_y = jnp.where(which == 2, signed * 0.3, 0)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    matrices = jnp.stack(
        [jnp.stack([cos, sin + shear_y], -1), jnp.stack([-sin + shear_x, cos], -1)], -2
    )
    # A rotation leaves the centre where it is, a shear the first row or column.
    offset_y = jnp.where(which == 3, signed * 0.45 * height, shear_y * (width - 1) / 2)
    offset_x = jnp.where(which == 4, signed * 0.45 * width, shear_x * (height - 1) / 2)
    offsets = jnp.stack([offset_y, offset_x], -1)
    moves = ((which >= 0) & (which < 5))[:, None, None, None]
    return jnp.where(moves, _sample(images, matrices, offsets), images)


def _autocontrast(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    low = jnp.min(images, (1, 2), keepdims=True)
    high = jnp.max(images, (1, 2), keepdims=True)
    stretched = (images - low) * (255 / jnp.maximum(high - low, 1))
    return jnp.where(high > low, stretched, images)


def _equalize(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    def one_channel(values: jax.Array) -> jax.Array:
        levels = jnp.clip(values, 0, 255).astype("int32").reshape(-1)
        counts = jnp.zeros(256, "int32").at[levels].add(1)
        step = (levels.size - counts[jnp.max(levels)]) // 255
        below = jnp.cumsum(counts) - counts
        equalized = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), 255)
        new = equalized[levels].reshape(values.shape).astype("float32")
        return jnp.where(step > 0, new, values)

    return jax.vmap(jax.vmap(one_channel, in_axes=-1, out_axes=-1))(images)


def _invert(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    return 255 - images


def _posterize(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    unit = 2.0 ** (8 - (4 - jnp.floor(strength * 4)))
    return jnp.floor(images / unit) * unit


def _solarize(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    return jnp.where(images >= 256 - strength * 256, 255 - images, images)


def _solarize_add(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    return jnp.where(images < 128, jnp.minimum(images + strength * 110, 255), images)


def _blend(other: jax.Array | float, images: jax.Array, factor: jax.Array) -> jax.Array:
    return jnp.clip(other + factor * (images - other), 0, 255)


def _grey(images: jax.Array) -> jax.Array:
    return jnp.sum(images * jnp.array([0.299, 0.587, 0.114]), -1, keepdims=True)


def _color(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    return _blend(_grey(images), images, factor)


def _contrast(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    return _blend(jnp.mean(_grey(images), (1, 2), keepdims=True), images, factor)


def _brightness(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    return _blend(0.0, images, factor)


def _sharpness(images: jax.Array, strength: jax.Array, factor: jax.Array) -> jax.Array:
    inner = images[:, 1:-1, 1:-1]
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    total = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    smooth_inner = (total + 4 * inner) / 13
    return images.at[:, 1:-1, 1:-1].set(_blend(smooth_inner, inner, factor))


# Operations 5 to 14, after the five that move pixels.
_COLOR_OPERATIONS = (
    _autocontrast,
    _equalize,
    _invert,
    _posterize,
    _solarize,
    _solarize_add,
    _color,
    _contrast,
    _brightness,
    _sharpness,
)
