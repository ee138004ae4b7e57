import numpy as np
import pytest

from training.data.batches import training_batches

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 6, 3), dtype=np.uint8)
LABELS = np.arange(20) % 5


def epoch(batches):
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_an_epoch_has_every_image_once_as_it_is_or_flipped():
    images, labels = epoch(training_batches(IMAGES, LABELS, classes=5, batch_size=4, seed=0))

    flipped = 0
    remaining = list(range(20))
    for image, label in zip(images, labels, strict=True):
        (index,) = [
            i
            for i in remaining
            if any(np.array_equal(image, x) for x in (IMAGES[i], IMAGES[i][:, ::-1]))
        ]
        flipped += np.array_equal(image, IMAGES[index][:, ::-1])
        remaining.remove(index)
        assert np.argmax(label) == LABELS[index]
    assert remaining == []
    assert 0 < flipped < 20


def test_order_changes_from_epoch_to_epoch():
    batches = training_batches(IMAGES, LABELS, classes=5, batch_size=4, seed=0)

    assert not np.array_equal(epoch(batches)[0], epoch(batches)[0])


def test_same_seed_gives_the_same_batches():
    first, again, other = (
        epoch(training_batches(IMAGES, LABELS, classes=5, batch_size=4, seed=seed))[0]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_fewer_images_than_a_batch_is_a_sentence():
    with pytest.raises(ValueError, match="batch_size=32 for 20 images"):
        training_batches(IMAGES, LABELS, classes=5, batch_size=32, seed=0)
