from types import SimpleNamespace

import pytest

from training.tpu.compiled_step import DoesNotFit
from training.tpu.largest_batch import find_largest_batch

DEVICES = 16
USABLE = 16e9


def search(memory, batch, says_how_much=True):
    """Searches with a compiler that needs `memory(images per device)` bytes."""
    tried = []

    def compile_batch(batch):
        tried.append(batch)
        needed = memory(batch / DEVICES)
        if needed > USABLE:
            raise DoesNotFit("", needed if says_how_much else None, USABLE)
        return SimpleNamespace(batch=batch, peak_memory=needed)

    with pytest.raises(DoesNotFit) as refusal:
        compile_batch(batch)
    tried.clear()
    largest = find_largest_batch(compile_batch, batch, DEVICES, refusal.value)
    assert largest.compilations == len(tried)
    assert all(batch % DEVICES == 0 for batch in tried)
    return largest


def linear(images):
    return 0.3e9 + 50e6 * images  # 314 images fit


def with_recomputation(images):
    # Near its limit the compiler recomputes instead of storing.
    return min(linear(images), 12e9 + 10e6 * images)  # 400 images fit


def in_steps(images):
    return linear(128 * -(-images // 128))  # 256 images fit


@pytest.mark.parametrize("says_how_much", [True, False])
@pytest.mark.parametrize("batch", [416, 1024, 8192])
@pytest.mark.parametrize(
    ("memory", "images"), [(linear, 314), (with_recomputation, 400), (in_steps, 256)]
)
def test_the_largest_batch_is_found_to_a_sixteenth(memory, images, batch, says_how_much):
    largest = search(memory, batch * DEVICES, says_how_much)

    assert memory(largest.step.batch / DEVICES) <= USABLE < memory(largest.refused / DEVICES)
    assert largest.step.batch <= images * DEVICES < largest.refused
    assert largest.refused - largest.step.batch <= largest.step.batch / 16
    assert largest.compilations <= 10


def test_few_images_per_device_are_found_exactly():
    largest = search(lambda images: 1e9 + 2.9e9 * images, 64 * DEVICES)

    assert largest.step.batch == 5 * DEVICES
    assert largest.refused == 6 * DEVICES
    assert "The largest batch that fits is 80, and 96 does not" in str(largest)


def test_model_too_large_for_one_image_gives_a_clear_error():
    largest = search(lambda images: 17e9 + 1e6 * images, 64 * DEVICES)

    assert largest.step is None
    assert largest.refused == DEVICES
    assert str(largest) == "Not even one image per device fits."
