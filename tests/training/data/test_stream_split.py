import numpy as np
import pytest
import tensorflow as tf

from training.data.share import Share
from training.data.stream_split import RecordFiles, StreamSplit

FILE_SIZES = [40, 30, 50]


def stream(file_sizes=FILE_SIZES, read=None, **options):
    """Returns a split of numbered records, which lists the numbers in `read` as they are read."""
    sizes = tf.constant(file_sizes, tf.int64)
    first = tf.cumsum(sizes, exclusive=True)

    def note(record):
        read.append(record)
        return record

    def open_file(file):
        records = tf.data.Dataset.range(first[file], first[file] + sizes[file])
        if read is None:
            return records
        return records.map(lambda record: tf.numpy_function(note, [record], tf.int64))

    def parse(record, number):
        return {"name": tf.strings.as_string(record), "label": number, "image": ""}

    return StreamSplit(RecordFiles(file_sizes, open_file, parse), ("a", "b"), **options)


def order(split, seed=0, epoch=0, start=0, *process):
    return [int(example["name"]) for example in split.examples(seed, epoch, start, Share(*process))]


def test_a_small_buffer_gives_every_record_once_wherever_it_starts():
    split = stream(buffer_size=5)
    whole = order(split)

    assert sorted(whole) == list(range(120))
    assert order(split, start=77) == whole[77:]


@pytest.fixture(scope="module")
def shared_by_processes():
    """A split of twenty files, and its order in a single process."""
    kept = np.arange(300) % 7 != 2
    split = stream([15] * 20, kept=kept, buffer_size=100)
    whole = order(split)
    assert sorted(whole) == np.flatnonzero(kept).tolist()
    return split, whole


# Six processes divide pairs of lanes among three; 32 divide each of the 16 lanes between two.
@pytest.mark.parametrize("processes", [6, 32])
def test_processes_share_the_order_of_a_single_one(shared_by_processes, processes):
    split, whole = shared_by_processes
    # At the beginning, within a window, and among the last ones, which are in no lane.
    for start in (0, 2 * processes, len(whole) // processes * processes - processes):
        part = order(split, 0, 0, start, processes - 1, processes)
        assert part == whole[start + processes - 1 :: processes]


def test_a_process_reads_its_own_part_of_the_files():
    read = []
    split = stream([15] * 64, read, buffer_size=100)

    order(split, 0, 0, 0, 1, 4)
    assert 240 <= len(read) < 300


def test_resuming_late_in_an_epoch_reads_only_the_rest():
    read = []
    split = stream([15] * 64, read, buffer_size=100)

    order(split, start=800)
    # Each of the 16 lanes may read up to a file and a window more than its part of 160 records.
    assert 160 <= len(read) < 160 + 16 * 18


def test_order_in_a_single_file_differs_for_every_seed_and_epoch():
    kept = np.arange(120) < 40
    split = stream(kept=kept)

    orders = [order(split, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(numbers) == list(range(40)) for numbers in orders)
    assert len(set(map(tuple, orders))) == 3


def test_even_a_small_buffer_takes_records_far_out_of_their_order():
    # Three files are read in turn, so that even the first tenth has some of each.
    first = order(stream(buffer_size=20))[:40]

    assert {np.searchsorted([40, 70], number, side="right").item() for number in first} == {0, 1, 2}


def test_records_that_are_kept_know_their_number():
    kept = np.arange(120) % 7 == 2
    split = stream(kept=kept)

    assert split.size == kept.sum()
    examples = list(split.in_order())
    assert [int(example["name"]) for example in examples] == np.flatnonzero(kept).tolist()
    assert [int(example["label"]) for example in examples] == np.flatnonzero(kept).tolist()
    assert sorted(order(split)) == np.flatnonzero(kept).tolist()
