import numpy as np
import pytest
from PIL import Image

from training.data.array_split import ArraySplit
from training.data.folder_split import FolderSplit
from training.data.image_sizes import image_sizes


def split_of(tmp_path, sizes):
    """Writes images of these widths and heights."""
    names = [f"{number:03}.png" for number in range(len(sizes))]
    for name, size in zip(names, sizes, strict=True):
        Image.new("L", size).save(tmp_path / name)
    return FolderSplit(tmp_path, names, [0] * len(names), ["one"])


def test_sizes_of_files(tmp_path):
    sizes = image_sizes(split_of(tmp_path, [(30, 40), (10, 12), (50, 20)]))

    assert sizes.shorter_side == 20
    assert sizes.sentence() == "Image sizes: 10x12 to 30x40 pixels, median 50x20."


def test_both_orientations_of_one_size_are_two_sizes(tmp_path):
    sizes = image_sizes(split_of(tmp_path, [(40, 30), (30, 40), (30, 40), (40, 30)]))

    assert sizes.sentence() == "Image sizes: 30x40 to 40x30 pixels, median 40x30."


def test_many_images_are_sampled_evenly(tmp_path):
    sizes = image_sizes(split_of(tmp_path, [(8, 8 + number) for number in range(250)]))

    assert len(sizes.sizes) <= 100
    assert max(sizes.sizes)[1] > 8 + 240
    assert f"(a sample of {len(sizes.sizes)})" in sizes.sentence()


def test_damaged_files_are_left_out(tmp_path):
    split = split_of(tmp_path, [(8, 8), (9, 9)])
    (tmp_path / "000.png").write_bytes(b"\x89PNG")

    assert image_sizes(split).sentence() == "Image size: 9x9 pixels."


@pytest.mark.parametrize("shape", [(3, 20, 28), (3, 20, 28, 3)])
def test_arrays_have_one_size(shape):
    split = ArraySplit(np.zeros(shape, np.uint8), np.zeros(3, int), ["one"])

    assert image_sizes(split).sizes == ((28, 20),)


def test_sizes_of_jpeg_files_are_told_apart(tmp_path):
    split = split_of(tmp_path, [(8, 8), (9, 9)])
    Image.new("L", (20, 10)).save(tmp_path / "000.png", "JPEG")  # whatever its name

    assert image_sizes(split).of_jpeg_files == ((20, 10),)
