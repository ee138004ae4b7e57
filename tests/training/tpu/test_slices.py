import pytest

from training.tpu.slices import CHIPS, find_slice


def test_the_compiler_knows_every_slice_and_counts_the_same_devices(jax_programs):
    described = jax_programs["slices"]

    assert len(described) == sum(len(chip.shapes) for chip in CHIPS.values())
    assert described == {name: find_slice(name).devices for name in described}
    assert described["v5e:4x4"] == 16
    assert described["v4:2x2x2"] == 8  # one device per chip
    assert described["tpu7x:2x2x1"] == 8  # two devices per chip


def test_rates_are_those_of_a_device():
    for name, teraflops, gigabytes in (("v5e", 197, 819), ("tpu7x", 1153.5, 3690)):
        chip = CHIPS[name]
        assert chip.peak_flops == teraflops * 1e12
        assert chip.memory_bandwidth == gigabytes * 1e9


@pytest.mark.parametrize("topology", ["v5e", "v5e:3x3", "v9:2x2", "v5e:2x2x2", ""])
def test_error_of_an_unknown_topology_lists_the_known_ones(topology):
    with pytest.raises(ValueError, match="`topology` must be one of") as error:
        find_slice(topology)

    assert "v5e:4x4" in str(error.value)
    assert "tpu7x:2x2x1" in str(error.value)
    assert f"Received: topology={topology!r}" in str(error.value)


@pytest.mark.parametrize("batch", [0, -16, 1, 1000])
def test_batch_that_the_devices_cannot_share_gives_a_clear_error(batch):
    message = f"multiple of the 16 devices of v5e:4x4. Received: batch={batch}"
    with pytest.raises(ValueError, match=message):
        find_slice("v5e:4x4").check_batch(batch)
