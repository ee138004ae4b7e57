import numpy as np
import tensorflow as tf

from training.data.stream_split import StreamSplit

FILE_SIZES = [40, 30, 50]


def stream(**options):
    """Three files whose records are their number in the split."""
    first = tf.constant([0, 40, 70], tf.int64)
    sizes = tf.constant(FILE_SIZES, tf.int64)

    def open_file(file):
        return tf.data.Dataset.range(sizes[file]).map(lambda record: first[file] + record)

    def parse(record, number):
        return {"name": tf.strings.as_string(record), "label": number, "image": ""}

    return StreamSplit(FILE_SIZES, open_file, parse, ("a", "b"), **options)


def order(split, seed=0, epoch=0, start=0):
    return [int(example["name"]) for example in split.examples(seed, epoch, start)]


def test_a_small_buffer_gives_every_record_once_wherever_it_starts():
    split = stream(buffer_size=5)
    whole = order(split)

    assert sorted(whole) == list(range(120))
    assert order(split, start=77) == whole[77:]


def test_records_of_a_single_file_are_in_another_order_for_every_seed_and_epoch():
    kept = np.arange(120) < 40
    split = stream(kept=kept)

    orders = [order(split, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(numbers) == list(range(40)) for numbers in orders)
    assert len(set(map(tuple, orders))) == 4


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
