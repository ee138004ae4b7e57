"""Weights on a token grid, against a numpy definition by place in the image."""

import numpy as np
import pytest

from keras_cabvit.weights.resampling import resampled

GRIDS = [((14, 14), (16, 16)), ((14, 14), (10, 10)), ((4, 4), (6, 8)), ((5, 7), (20, 3))]


def interpolated(value, places, new_places):
    """Interpolates along the first axis, with constant values beyond the first and last place."""
    found = []
    for place in new_places:
        above = min(sum(other < place for other in places), len(places) - 1)
        below = above - 1 if above and places[above] > place else above
        distance = places[above] - places[below]
        share = (place - places[below]) / distance if distance else 0.0
        found.append(value[below] + min(share, 1) * (value[above] - value[below]))
    return np.stack(found)


def definition(value, axes, old, new, places):
    """Interpolates along both axes; `places` gives the shares of the image for a side in tokens."""
    for axis, old_side, new_side in zip(axes, old, new, strict=True):
        moved = np.moveaxis(value, axis, 0)
        moved = interpolated(moved, places(old_side), places(new_side))
        value = np.moveaxis(moved, 0, axis)
    return value


def offsets(side):
    return np.arange(side) / side


def tokens(side):
    return (np.arange(side) + 0.5) / side


def digest_tokens(side):
    """A digest token is merged from a 7x7 window around every fourth token."""
    return tokens(side)[::4]


KINDS = {
    "position_bias": ((1, 2), offsets, (3,), ()),
    "patch_positions": ((0, 1), tokens, (), (6,)),
    "digest_scale": ((1, 2), digest_tokens, (2,), ()),
    "digest_bias": ((2, 3), digest_tokens, (3, 2), ()),
}


def shape_of(name, grid):
    _, places, before, after = KINDS[name]
    return (*before, *(len(places(side)) for side in grid), *after)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("old", "new"), GRIDS)
def test_values_keep_their_place_in_the_image(name, old, new):
    axes, places, _, _ = KINDS[name]
    value = np.random.default_rng(0).standard_normal(shape_of(name, old)).astype("float32")
    found = resampled(value, name, shape_of(name, new), old, new)

    assert (found.shape, found.dtype) == (shape_of(name, new), np.float32)
    np.testing.assert_allclose(found, definition(value, axes, old, new, places), atol=1e-6)


def test_offset_zero_stays_offset_zero():
    value = np.random.default_rng(0).standard_normal((2, 14, 14)).astype("float32")
    found = resampled(value, "position_bias", (2, 16, 24), (14, 14), (16, 24))
    np.testing.assert_array_equal(found[:, 0, 0], value[:, 0, 0])
    # Half of the image away: 7 of 14 tokens, 8 of 16 and 12 of 24.
    np.testing.assert_array_equal(found[:, 8, 12], value[:, 7, 7])


def test_digest_tokens_move_although_their_grid_has_the_same_size():
    """From 14 to 16 tokens both are 4x4, but the last digest token moves from 0.89 to 0.78."""
    value = np.broadcast_to(np.arange(4.0), (1, 4, 4))
    found = resampled(value, "digest_scale", (1, 4, 4), (14, 14), (16, 16))
    np.testing.assert_allclose(found[0, 0], [0, 0.859375, 1.734375, 2.609375])


@pytest.mark.parametrize("name", [*KINDS, "kernel"])
def test_same_grid_and_other_weights_stay_the_same_to_the_bit(name):
    grid = (6, 5)
    shape = (3, 3, 5, 6) if name == "kernel" else shape_of(name, grid)
    value = np.random.default_rng(0).standard_normal(shape).astype("float32")
    new = (8, 8) if name == "kernel" else grid
    assert resampled(value, name, shape, grid, new) is value
