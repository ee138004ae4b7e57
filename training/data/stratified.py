"""Splits that hold out the same share of every class."""

import numpy as np


def held_out(
    strata: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """Draws which examples to hold out, the same share of every stratum.

    The counts add up to the share of all, rounded; the remainder of the rounding goes to the strata
    that lost most in it. A stratum of two or more keeps at least one and gives at least one.

    With groups, the examples are drawn in the same order, each with its whole group if that brings
    the counts nearer to those, and leaves every stratum at least one. A stratum that would give
    none gives its smallest group; only if it has a single one, that is divided. Without a group of
    two or more the draw is the same as without groups.

    Args:
        strata: integer array (count,), the stratum of each example: its class.
        share: float between 0 and 1.
        seed: integer.
        groups: integer array (count,), equal for examples that must stay together; None: none must.

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
    orders = [generator.permutation(np.flatnonzero(strata == name)) for name in names]
    mask = np.zeros(len(strata), bool)
    if groups is None or len(np.unique(groups)) == len(groups):
        for order, count in zip(orders, counts, strict=True):
            mask[order[:count]] = True
        return mask
    _, numbers = np.unique(strata, return_inverse=True)
    _hold_groups(mask, orders, counts, numbers, _members_of(np.asarray(groups)))
    return mask


def _members_of(groups: np.ndarray) -> list[np.ndarray]:
    """Returns, for each example, the numbers of all examples of its group."""
    _, inverse = np.unique(groups, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
    return [members[group] for group in inverse]


def _hold_groups(
    mask: np.ndarray,
    orders: list[np.ndarray],
    counts: np.ndarray,
    strata: np.ndarray,
    members: list[np.ndarray],
) -> None:
    """Sets `mask` for whole groups, taken in the given order of each stratum's examples."""
    sizes = np.array([len(order) for order in orders])
    held = np.zeros(len(orders), int)

    def per_stratum(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.unique(strata[group], return_counts=True)

    def fits(touched: np.ndarray, added: np.ndarray) -> bool:
        return bool(np.all(held[touched] + added < sizes[touched]))

    def hold(group: np.ndarray) -> None:
        touched, added = per_stratum(group)
        held[touched] += added
        mask[group] = True

    for stratum, order in enumerate(orders):
        for example in order:
            if held[stratum] >= counts[stratum]:
                break
            touched, added = per_stratum(members[example])
            before = np.abs(held[touched] - counts[touched]).sum()
            after = np.abs(held[touched] + added - counts[touched]).sum()
            if not mask[example] and after < before and fits(touched, added):
                hold(members[example])
        if held[stratum] or not counts[stratum]:
            continue
        for example in sorted(order, key=lambda example: len(members[example])):
            if fits(*per_stratum(members[example])):
                hold(members[example])
                break
        else:
            hold(order[: counts[stratum]])
