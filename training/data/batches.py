"""From a split to the batches that a model is trained and evaluated on."""

import tensorflow as tf

from keras_cabvit.data import evaluation_image
from training.augmentation import augment_image, mix_batch, random_resized_crop
from training.data.readable_batches import readable_batches
from training.data.split import BATCH, IMAGE, stream_seed


def training_batches(
    split, recipe, seed, first_step=0, process_index=0, process_count=1, broken=None
):
    """Returns augmented batches, epoch after epoch, without end.

    The batch of a step is a pure function of the files, the recipe, the seed and the step: training
    that goes on at `first_step` sees what it would have seen. In each of the epochs of
    `steps_per_epoch` steps an image comes once, except for those left over, which are others in
    every epoch.

    In place of a broken image its batch has the next good one a second time.

    Args:
        split: `Split`.
        recipe: `Recipe`, of which `batch_size`, `augmentation` and `model.image_size` are used.
        seed: integer, of the order and the augmentation.
        first_step: integer, the step to begin with.
        process_index: integer, which of the processes this is. It gets every `process_count`-th
            image of the batches, beginning with this one; mixup and cutmix stay inside its part.
        process_count: integer, how many processes share a batch.
        broken: `BrokenImages` to record broken images in; None leaves them unrecorded.

    Returns:
        A `tf.data.Dataset` of (images, labels): float32 (b, height, width, 3) in 0..255 and float32
        (b, classes), where b is `recipe.batch_size // process_count`. Keras takes it on every
        backend.

    Raises:
        ValueError: the batch is larger than the split or does not divide by the processes.
    """
    batch_size = recipe.batch_size
    steps = steps_per_epoch(split, batch_size)
    part = _part_of_a_batch(batch_size, process_count)
    size = tuple(recipe.model.image_size)
    augmentation = recipe.augmentation
    first_epoch, first_step_of_epoch = divmod(first_step, steps)

    def of_epoch(epoch):
        start = tf.where(epoch == first_epoch, first_step_of_epoch * batch_size, 0)
        start = tf.cast(start, tf.int64)
        examples = split.examples(seed, epoch, start, process_index, process_count)
        first = epoch * split.size
        # They end with the last whole batch.
        places = tf.data.Dataset.range(
            first + start + process_index, first + steps * batch_size, process_count
        )
        return tf.data.Dataset.zip((places, examples))

    def load(place, example):
        image = split.image(example)
        if image.dtype != tf.string and image.shape[:2] == size and not _crops(augmentation):
            return image if image.shape[2:] == [3] else tf.image.grayscale_to_rgb(_with_axis(image))
        return random_resized_crop(image, size, augmentation, stream_seed(seed, IMAGE, place))

    def augment(place, image):
        return augment_image(image, augmentation, stream_seed(seed, IMAGE, place))

    def mix(step, batch):
        images, labels, _ = batch
        return mix_batch(
            images, labels, len(split.class_names), augmentation, stream_seed(seed, BATCH, step)
        )

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    batches = (
        readable_batches(epochs.flat_map(of_epoch), split, part, size, load, augment, broken)
        .enumerate(first_step)
        .map(mix, num_parallel_calls=2)
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    )
    return _finished(batches)


def evaluation_batches(
    split, size, batch_size, crop=1.0, process_index=0, process_count=1, broken=None
):
    """Returns every image of a split once, in the stored order.

    The last batch is filled up with images of weight 0, so that all have one shape, and all
    processes have equally many batches. Broken images have weight 0 too.

    Args:
        split: `Split`.
        size: (height, width) of the model in pixels.
        batch_size: integer, images a step in all processes together.
        crop: side of the centre crop as a share of the image; see `evaluation_image`.
        process_index: integer, which of the processes this is. It gets every `process_count`-th
            image, beginning with this one.
        process_count: integer, how many processes share a batch.
        broken: `BrokenImages` to record broken images in; None leaves them unrecorded.

    Returns:
        A `tf.data.Dataset` of (images, labels, weights): float32 (b, height, width, 3) in 0..255,
        float32 one-hot (b, classes) and float32 (b,) of 0 or 1.

    Raises:
        ValueError: `batch_size` does not divide by the processes, or the split has no images.
    """
    if not split.size:
        raise ValueError("There are no images to evaluate.")
    part = _part_of_a_batch(batch_size, process_count)
    size = tuple(size)
    classes = len(split.class_names)
    steps = -(-split.size // batch_size)
    own = len(range(process_index, split.size, process_count))

    def load(place, example):
        return evaluation_image(split.image(example), size, crop)

    def as_floats(place, image):
        return tf.cast(image, tf.float32)

    def with_weights(images, labels, readable):
        weights = tf.cast(readable & (labels >= 0), tf.float32)
        return images, tf.one_hot(labels, classes), weights

    places = split.in_order().enumerate().shard(process_count, process_index)
    filling = split.in_order().take(1).repeat(steps * part - own).map(_unlabelled).enumerate()
    batches = (
        readable_batches(places.concatenate(filling), split, part, size, load, as_floats, broken)
        .map(with_weights, num_parallel_calls=2)
        .apply(tf.data.experimental.assert_cardinality(steps))
    )
    return _finished(batches)


def steps_per_epoch(split, batch_size):
    """Returns how many whole batches a split has, at least one, else raises ValueError."""
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    if split.size < batch_size:
        raise ValueError(
            f"`batch_size` must not be larger than the number of training images. Received: "
            f"batch_size={batch_size} for {split.size:,} images"
        )
    return split.size // batch_size


def _part_of_a_batch(batch_size, process_count):
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            "`batch_size` must be a positive multiple of the number of processes, which share a "
            f"batch. Received: batch_size={batch_size} for {process_count} processes"
        )
    return batch_size // process_count


def _crops(augmentation):
    return augmentation.crop_scale != (1.0, 1.0) or augmentation.crop_ratio != (1.0, 1.0)


def _with_axis(image):
    return image if image.shape.rank == 3 else image[..., None]


def _unlabelled(example):
    return example | {"label": tf.constant(-1, tf.int64)}


def _finished(batches):
    options = tf.data.Options()
    options.deterministic = True
    # Batches are as large as they are to be: a strategy must not divide the files among hosts.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # Everything says how parallel it is. TensorFlow's search for better numbers finds none, and
    # would hold up the end of a process that was asked to stop for ten seconds and more.
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)
