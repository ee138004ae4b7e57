import pytest

from training.tpu.main_memory import main_memory_traffic

MEBIBYTE = 2**20


@pytest.fixture
def programs(jax_programs):
    return jax_programs["programs"]


def test_an_array_is_read_once_and_written_once(programs):
    assert programs["too large for fast memory"][0] == 2 * 256 * MEBIBYTE
    assert programs["bfloat16"][0] == 2 * 256 * MEBIBYTE


def test_padding_moves_too(programs):
    assert programs["100 rows in tiles of 8"][0] == 2 * 104 * 4 * MEBIBYTE


def test_traffic_in_fast_memory_is_not_counted(programs):
    in_main_memory, compilers = programs["products of products"]
    two_factors_and_the_result = 3 * 256 * 256 * 4
    assert in_main_memory == two_factors_and_the_result < compilers


@pytest.mark.parametrize(
    ("source", "destination", "moved"),
    [
        # A slice of a quarter: only its transfers to and from the main memory count.
        ("", "S(1)", 16 * 128 * 4),
        ("", "", 2 * 16 * 128 * 4),
        ("S(1)", "", 16 * 128 * 4),
        ("S(1)", "S(1)", 0),
    ],
)
def test_a_copy_of_a_slice_moves_the_slice(source, destination, moved):
    program = f"""HloModule copies, is_scheduled=true

ENTRY %main (x: f32[64,128]) -> f32[16,128] {{
  %x = f32[64,128]{{1,0:T(8,128){source}}} parameter(0)
  %start = ((f32[64,128]{{1,0:T(8,128){source}}}), f32[16,128]{{1,0:T(8,128){destination}}}, \
s32[]{{:S(2)}}) slice-start(%x), slice={{[0:16], [0:128]}}
  ROOT %done = f32[16,128]{{1,0:T(8,128){destination}}} slice-done(%start)
}}
"""
    assert main_memory_traffic(program) == moved
