import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from image_files import CLASSES, HEIGHT, WIDTH, decoded, numbers, picture

from training.data.array_split import ArraySplit
from training.data.batches import Reader, evaluation_batches, training_batches
from training.data.share import Share
from training.recipes.recipe import Augmentation, ModelOptions, Optimization, Recipe

# 23 pictures make five batches per epoch, and three are left over.
PLAIN = Recipe(
    ModelOptions("CabViTH", image_size=(HEIGHT, WIDTH)), Optimization(1e-3), batch_size=4
)
AUGMENTED = dataclasses.replace(
    PLAIN,
    model=ModelOptions("CabViTH", image_size=(8, 6)),
    augmentation=Augmentation(crop_scale=(0.2, 1.0), horizontal_flip=0.5, mixup_alpha=0.8),
)


def take(batches, count):
    images, labels = zip(*batches.take(count).as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


def assert_same(batches, others):
    for values, other_values in zip(batches, others, strict=True):
        np.testing.assert_array_equal(values, other_values)


@pytest.mark.slow
def test_resumed_training_sees_the_same_batches(split):
    images, labels = take(training_batches(split, AUGMENTED, seed=1), 11)

    # Within an epoch, at its end, within the next one.
    for step in (3, 5, 9):
        rest = take(training_batches(split, AUGMENTED, seed=1, first_step=step), 11 - step)
        assert_same(rest, (images[step:], labels[step:]))


@pytest.mark.slow
def test_files_give_the_batches_of_their_pixels(open_split):
    files = open_split("folder")
    pixels = decoded(files)

    assert_same(
        take(training_batches(files, AUGMENTED, seed=1), 3),
        take(training_batches(pixels, AUGMENTED, seed=1), 3),
    )
    images, expected = (
        next(iter(evaluation_batches(split, (HEIGHT, WIDTH), 23)))[0] for split in (files, pixels)
    )
    np.testing.assert_array_equal(images, expected)


def test_another_seed_gives_another_order(pixel_split):
    first, other = (take(training_batches(pixel_split, PLAIN, seed), 5)[0] for seed in (1, 2))

    assert not np.array_equal(first, other)


def test_another_seed_place_or_epoch_gives_another_augmentation():
    alike = ArraySplit(np.stack([picture(0)] * 4), np.zeros(4, int), CLASSES)
    recipe = dataclasses.replace(PLAIN, augmentation=Augmentation(erasing_probability=1.0))

    images = np.concatenate([take(training_batches(alike, recipe, seed), 2)[0] for seed in (1, 2)])
    assert len({image.tobytes() for image in images.reshape(-1, HEIGHT, WIDTH, 3)}) == 16


def test_batches_do_not_depend_on_the_global_seed(split):
    tf.random.set_seed(1)
    first = take(training_batches(split, AUGMENTED, seed=0), 5)
    tf.random.set_seed(2)

    assert_same(take(training_batches(split, AUGMENTED, seed=0), 5), first)


def test_an_epoch_has_every_image_once_except_those_left_over(split):
    images, labels = take(training_batches(split, PLAIN, seed=0), 15)

    left_over = []
    for epoch in range(3):
        steps = slice(5 * epoch, 5 * epoch + 5)
        seen = numbers(images[steps].reshape(-1, HEIGHT, WIDTH, 3))
        assert labels[steps].reshape(-1, 3).argmax(-1).tolist() == [i % 3 for i in seen]
        left_over.append(set(range(23)) - set(seen))
    assert [len(numbers) for numbers in left_over] == [3, 3, 3]
    assert left_over[0] != left_over[1] or left_over[1] != left_over[2]


def test_order_differs_in_every_epoch(pixel_split):
    images, _ = take(training_batches(pixel_split, PLAIN, seed=0), 10)

    first, second = (numbers(part.reshape(-1, HEIGHT, WIDTH, 3)) for part in np.split(images, 2))
    assert first != second


def test_processes_share_the_batches_of_a_single_one(pixel_split):
    recipe = dataclasses.replace(
        AUGMENTED,
        augmentation=dataclasses.replace(AUGMENTED.augmentation, mixup_alpha=0),
    )
    images, labels = take(training_batches(pixel_split, recipe, seed=0, first_step=2), 6)

    for process in (0, 1):
        part = take(training_batches(pixel_split, recipe, 0, 2, Reader(Share(process, 2))), 6)
        assert_same(part, (images[:, process::2], labels[:, process::2]))


def test_shapes_are_known_and_there_is_no_end(pixel_split):
    batches = training_batches(pixel_split, AUGMENTED, seed=0)

    assert batches.element_spec == (
        tf.TensorSpec((4, 8, 6, 3), tf.float32),
        tf.TensorSpec((4, 3), tf.float32),
    )
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY


def test_grey_pixels_become_three_equal_channels():
    grey = np.stack([picture(i)[..., 0] for i in range(8)])
    for images in (grey, grey[..., None]):
        split = ArraySplit(images, np.arange(8) % 3, CLASSES)
        (batch, *_), _ = take(training_batches(split, PLAIN, seed=0), 1)
        assert {image[..., 0].tobytes() for image in batch} <= {
            image.astype("float32").tobytes() for image in grey
        }
        np.testing.assert_array_equal(batch[..., 0], batch[..., 2])


def test_fewer_images_than_a_batch_gives_a_clear_error(pixel_split):
    with pytest.raises(ValueError, match="batch_size=32 for 23 images"):
        training_batches(pixel_split, dataclasses.replace(PLAIN, batch_size=32), seed=0)


@pytest.mark.parametrize(
    "batches",
    [
        lambda split: training_batches(split, PLAIN, seed=0, reader=Reader(Share(0, 3))),
        lambda split: evaluation_batches(split, (8, 8), 4, reader=Reader(Share(0, 3))),
    ],
)
def test_indivisible_batch_gives_a_clear_error(pixel_split, batches):
    with pytest.raises(ValueError, match="batch_size=4 for 3 processes"):
        batches(pixel_split)


def test_evaluation_has_every_image_once_and_padding_of_weight_0(split):
    batches = evaluation_batches(split, (HEIGHT, WIDTH), 4)
    assert len(batches) == 6
    assert [spec.shape for spec in batches.element_spec] == [(4, HEIGHT, WIDTH, 3), (4, 3), (4,)]

    images, labels, weights = (
        np.concatenate(values) for values in zip(*batches.as_numpy_iterator(), strict=True)
    )
    assert weights.tolist() == [1] * 23 + [0]
    assert labels.dtype == images.dtype == np.float32
    seen = numbers(images[:23])
    assert sorted(seen) == list(range(23))
    assert labels[:23].argmax(-1).tolist() == [number % 3 for number in seen]
    assert not labels[23:].any()


def test_evaluation_is_in_the_stored_order():
    split = ArraySplit(np.stack([picture(i) for i in range(5)]), np.zeros(5, int), CLASSES)

    ((images, _, _),) = evaluation_batches(split, (HEIGHT, WIDTH), 5).as_numpy_iterator()
    assert numbers(images) == [0, 1, 2, 3, 4]


def test_processes_share_the_evaluation_in_equally_many_batches(pixel_split):
    # 23 pictures in batches of 6 make four batches, even though the second process has one less.
    whole = evaluation_batches(pixel_split, (8, 8), 6)
    whole = [np.concatenate(x) for x in zip(*whole, strict=True)]
    for process in (0, 1):
        batches = evaluation_batches(pixel_split, (8, 8), 6, 1.0, Reader(Share(process, 2)))
        assert len(batches) == 4
        part = [np.concatenate(x) for x in zip(*batches.as_numpy_iterator(), strict=True)]
        assert_same(part, [values[process::2] for values in whole])
