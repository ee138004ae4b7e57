"""Splits that hold out the same share of every class."""

import numpy as np


def held_out(strata: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draws which examples to hold out, the same share of every stratum.

    The counts add up to the share of all, rounded; the remainder of the rounding goes to the strata
    that lost most in it. A stratum of two or more keeps at least one and gives at least one.

    Args:
        strata: integer array (count,), the stratum of each example: its class.
        share: float between 0 and 1.
        seed: integer.

    Returns:
        A boolean array (count,), true for those held out. It is the same in every version of numpy.

    Raises:
        ValueError: `share` is out of range.
    """
    if not 0 < share < 1:
        raise ValueError(f"The held-out share must lie strictly between 0 and 1. Received: {share}")
    strata = np.asarray(strata)
    names, sizes = np.unique(strata, return_counts=True)
    exact = sizes * share
    counts = np.floor(exact).astype(int)
    left_over = round(len(strata) * share) - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:left_over]] += 1
    counts = np.clip(counts, np.minimum(1, sizes - 1), sizes - 1)
    # numpy promises that this generator, unlike the newer one, never changes its numbers.
    generator = np.random.RandomState(seed % 2**32)
    mask = np.zeros(len(strata), bool)
    for name, count in zip(names, counts, strict=True):
        mask[generator.permutation(np.flatnonzero(strata == name))[:count]] = True
    return mask
