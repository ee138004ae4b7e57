import pytest


@pytest.fixture
def first_step(jax_programs):
    return jax_programs["first step"]


def test_compiled_step_equals_the_first_step_of_fit(first_step):
    """From the same weights and batch, bit for bit: weights, averages, moments, metrics."""
    assert set(first_step["as_before"].values()) == {False}
    assert set(first_step["as_fit"].values()) == {True}


def test_each_device_has_its_share_of_the_images_and_the_whole_state(first_step):
    assert first_step["images_a_device"] == [2, 2, 2, 2]
    assert first_step["whole_state_on_each"]


def test_the_state_is_donated_so_that_it_is_stored_once(first_step):
    assert first_step["given_away"]
