"""ELPV: photographs of solar cells, taken in the dark while a current makes them glow."""

import numpy as np

from training.data.array_split import ArraySplit
from training.data.data_set import DataSet
from training.data.stratified import held_out

CLASS_NAMES = ("functional", "defective")
TEST_SHARE = 0.25
# One test set for every run and seed, so that the scores of several seeds can be compared.
TEST_SEED = 0


def elpv(validation_share: float, seed: int) -> DataSet:
    """Opens the 2,624 images, grey, 300x300; "defective" means a probability above 0.5.

    The data set's paper trained on 1,968 of them, which is three quarters, but did not publish
    which. Here the test split is a quarter, 656 images, always the same. The rest is divided into
    training and validation images by the seed. Both draws are even by the type of cell and the
    probability of a defect.

    Args:
        validation_share: share of the images outside the test split that is held out.
        seed: integer, the seed of this draw.

    Returns:
        A `DataSet`.

    Raises:
        ImportError: the package elpv-dataset is not installed.
        ValueError: `validation_share` is not between 0 and 1.
    """
    try:
        from elpv_dataset.utils import load_dataset
    except ImportError as error:
        raise ImportError(
            "The data set elpv comes as a package that is not installed: pip install "
            '"keras-cabvit[elpv]" (91 MB; CC BY-NC-SA 4.0, for non-commercial use).'
        ) from error
    images, probabilities, types = load_dataset()
    labels = (probabilities > 0.5).astype(np.int64)
    # Each pair of type and probability gets its own number.
    _, kind = np.unique(types, return_inverse=True)
    _, degree = np.unique(np.round(probabilities, 2), return_inverse=True)
    strata = kind * (degree.max() + 1) + degree

    test = held_out(strata, TEST_SHARE, TEST_SEED)
    rest = np.flatnonzero(~test)
    held = held_out(strata[rest], validation_share, seed)

    def split(chosen: np.ndarray, name: str) -> ArraySplit:
        return ArraySplit(images[chosen], labels[chosen], CLASS_NAMES, name)

    return DataSet(
        "ELPV",
        CLASS_NAMES,
        split(rest[~held], "training image"),
        split(rest[held], "validation image"),
        split(np.flatnonzero(test), "test image"),
        f"The {held.sum()} validation images were drawn from the {len(rest):,} images outside the "
        "test split, evenly by type of cell and probability of a defect, with seed "
        f"{seed}.",
        (
            f"The {test.sum()} test images were drawn the same way, once for all seeds. The data "
            "set's paper published no split, so its scores are of other images.",
        ),
    )
