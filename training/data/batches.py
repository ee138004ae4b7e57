"""Batches of a split for training and for evaluation."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from keras_cabvit.data import evaluation_image
from training.augmentation import augment_image, mix_batch, random_resized_crop
from training.data.broken import BrokenImages
from training.data.readable_batches import ReadableBatches
from training.data.share import WHOLE, Share
from training.data.split import BATCH, IMAGE, Example, Split, stream_seed
from training.recipes.recipe import Augmentation, Recipe


@dataclass(frozen=True, eq=False)
class Reader:
    """A process that reads images.

    Attributes:
        share: `Share` of each batch that it reads; mixup and cutmix stay inside it.
        broken: `BrokenImages` to record broken images in, those of `evaluation_batches` as
            validation images; None leaves them unrecorded.
    """

    share: Share = WHOLE
    broken: BrokenImages | None = None

    def recorder(self, validation: bool) -> Callable[[str], None] | None:
        """Returns the function that records the name of a broken image; None if none does."""
        if self.broken is None:
            return None
        return self.broken.record_validation if validation else self.broken.record


_ALONE = Reader()

# AutoGraph would rewrite these functions and all that they call, which takes half of the start.
_AS_WRITTEN = tf.autograph.experimental.do_not_convert


def training_batches(
    split: Split, recipe: Recipe, seed: int, first_step: int = 0, reader: Reader = _ALONE
) -> tf.data.Dataset:
    """Returns augmented batches, epoch after epoch, without end.

    The batch of a step is a pure function of the files, the recipe, the seed and the step: training
    resumed at `first_step` sees the batches it would have seen. Each epoch of
    `steps_per_epoch` steps contains every image once, except for those left over, which differ from
    epoch to epoch.

    A broken image is replaced by the next readable one of its batch.

    Args:
        split: `Split`.
        recipe: `Recipe`, of which `batch_size`, `augmentation` and `model.image_size` are used.
        seed: integer, the seed of the order and the augmentation.
        first_step: integer, the step to begin with.
        reader: `Reader`, the process that asks.

    Returns:
        A `tf.data.Dataset` of (images, labels): float32 (b, height, width, 3) in 0..255 and float32
        (b, classes), where b is the share of `recipe.batch_size`. Keras takes it on every backend.

    Raises:
        ValueError: the batch is larger than the split or does not divide by the processes.
    """
    batch_size = recipe.batch_size
    steps = steps_per_epoch(split, batch_size)
    share = reader.share
    part = share.of_batch(batch_size)
    height, width = recipe.model.image_size
    size = (height, width)
    augmentation = recipe.augmentation
    first_epoch, first_step_of_epoch = divmod(first_step, steps)

    @_AS_WRITTEN
    def of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        start = tf.where(epoch == first_epoch, first_step_of_epoch * batch_size, 0)
        start = tf.cast(start, tf.int64)
        examples = split.examples(seed, epoch, start, share)
        first = epoch * split.size
        # They end with the last whole batch.
        places = tf.data.Dataset.range(
            first + start + share.index, first + steps * batch_size, share.count
        )
        return tf.data.Dataset.zip((places, examples))

    def load(place: tf.Tensor, example: Example) -> tf.Tensor:
        image = split.image(example)
        if image.dtype != tf.string and image.shape[:2] == size and not _crops(augmentation):
            return image if image.shape[2:] == [3] else tf.image.grayscale_to_rgb(_with_axis(image))
        return random_resized_crop(image, size, augmentation, stream_seed(seed, IMAGE, place))

    def augment(place: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        return augment_image(image, augmentation, stream_seed(seed, IMAGE, place))

    @_AS_WRITTEN
    def mix(step: tf.Tensor, batch: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels, _ = batch
        return mix_batch(
            images, labels, len(split.class_names), augmentation, stream_seed(seed, BATCH, step)
        )

    record = reader.recorder(validation=False)
    readable = ReadableBatches(split, (part, height, width, 3), load, augment, record)
    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    batches = (
        readable.of(epochs.flat_map(of_epoch))
        .enumerate(first_step)
        .map(mix, num_parallel_calls=2)
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    )
    return _finished(batches)


def evaluation_batches(
    split: Split,
    size: tuple[int, int],
    batch_size: int,
    crop: float = 1.0,
    reader: Reader = _ALONE,
) -> tf.data.Dataset:
    """Returns every image of a split once, in the stored order.

    The last batch is padded with images of weight 0, so that all have one shape, and all processes
    have equally many batches. Broken images have weight 0 too.

    Args:
        split: `Split`.
        size: (height, width) of the model in pixels.
        batch_size: integer, images per step in all processes together.
        crop: side of the centre crop as a share of the image; see `evaluation_image`.
        reader: `Reader`, the process that asks.

    Returns:
        A `tf.data.Dataset` of (images, labels, weights): float32 (b, height, width, 3) in 0..255,
        float32 one-hot (b, classes) and float32 (b,) of 0 or 1.

    Raises:
        ValueError: `batch_size` does not divide by the processes, or the split has no images.
    """
    if not split.size:
        raise ValueError("There are no images to evaluate.")
    share = reader.share
    part = share.of_batch(batch_size)
    height, width = size
    classes = len(split.class_names)
    steps = -(-split.size // batch_size)

    def load(place: tf.Tensor, example: Example) -> tf.Tensor:
        return evaluation_image(split.image(example), (height, width), crop)

    def as_floats(place: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        return tf.cast(image, tf.float32)

    @_AS_WRITTEN
    def with_weights(
        images: tf.Tensor, labels: tf.Tensor, readable: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        weights = tf.cast(readable & (labels >= 0), tf.float32)
        return images, tf.one_hot(labels, classes), weights

    places = split.in_order().enumerate().shard(share.count, share.index)
    missing = steps * part - share.size_of(split.size)
    padding = split.in_order().take(1).repeat(missing).map(_unlabelled).enumerate()
    record = reader.recorder(validation=True)
    readable = ReadableBatches(split, (part, height, width, 3), load, as_floats, record)
    batches = (
        readable.of(places.concatenate(padding))
        .map(with_weights, num_parallel_calls=2)
        .apply(tf.data.experimental.assert_cardinality(steps))
    )
    return _finished(batches)


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of whole batches in a split, and raises ValueError if there are none."""
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    if split.size < batch_size:
        raise ValueError(
            f"`batch_size` must not be larger than the number of training images. Received: "
            f"batch_size={batch_size} for {split.size:,} images"
        )
    return split.size // batch_size


def _crops(augmentation: Augmentation) -> bool:
    return augmentation.crop_scale != (1.0, 1.0) or augmentation.crop_ratio != (1.0, 1.0)


def _with_axis(image: tf.Tensor) -> tf.Tensor:
    return image if image.shape.rank == 3 else image[..., None]


def _unlabelled(example: Example) -> Example:
    return example | {"label": tf.constant(-1, tf.int64)}


def _finished(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Batches have their final size: a strategy must not divide the files among hosts.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # Every stage sets its own parallelism. TensorFlow's search for better numbers finds none, and
    # would delay the end of a process that was asked to stop by ten seconds and more.
    options.autotune.enabled = False
    # Nor does its search for a better graph, which takes half a second of the start.
    options.experimental_optimization.apply_default_optimizations = False
    return batches.prefetch(2).with_options(options)
