"""Labelled images in files that can only be read from their beginning."""

import os

import numpy as np
import tensorflow as tf

from training.data.split import ORDER, Split, checksum_of, stream_seed

# Files that are read at the same time, and records that are taken from one before the next.
_OPEN_FILES = 16
_BLOCK = 16
_CORES = os.cpu_count() or 1


class StreamSplit(Split):
    """A split of several files, each a stream of records.

    An epoch's order comes from shuffling the files, reading several in turn, and drawing from a
    buffer of records. Beginning at a later place reads the records before it, without decoding
    them, and so does every one of several processes with those of the others.

    Args:
        file_sizes: list of integers, how many records each file has.
        open_file: function from a file's number (scalar int64 tensor) to a `tf.data.Dataset` of its
            records, in their stored order.
        parse: function from a record and its number in the split (scalar int64 tensor) to an
            example with an encoded "image".
        class_names: names of the classes.
        kept: boolean array, one entry a record: which belong to the split. None means all.
        buffer_size: integer, records that are held in memory.
    """

    def __init__(self, file_sizes, open_file, parse, class_names, kept=None, buffer_size=16384):
        super().__init__(sum(file_sizes) if kept is None else int(kept.sum()), class_names)
        self._open_file = open_file
        self._parse = parse
        self._buffer_size = buffer_size
        self._checksum = checksum_of(
            np.asarray(file_sizes, np.int64), b"" if kept is None else np.packbits(kept)
        )
        with tf.device("CPU"):
            self._first = tf.cumsum(tf.constant(file_sizes, tf.int64), exclusive=True)
            self._kept = None if kept is None else tf.constant(kept)

    def examples(self, seed, epoch, start):
        """Returns the examples in the shuffled order of one epoch."""

        def of_epoch(epoch, start):
            # `Dataset.shuffle` adds its graph's seed, which is otherwise the global one, to its
            # own. This is the graph of this function alone.
            tf.compat.v1.get_default_graph().seed = 1
            order_seed = stream_seed(seed, ORDER, epoch)
            files = tf.random.experimental.stateless_shuffle(
                tf.range(tf.size(self._first, tf.int64)), seed=order_seed
            )
            records = tf.data.Dataset.from_tensor_slices(files).interleave(
                self._records,
                cycle_length=_OPEN_FILES,
                block_length=_BLOCK,
                num_parallel_calls=_CORES,
                deterministic=True,
            )
            return records.shuffle(
                min(self._buffer_size, self.size),
                seed=order_seed[0],
                reshuffle_each_iteration=False,
            ).skip(start)

        start_of_epoch = tf.cast(epoch, tf.int64), tf.cast(start, tf.int64)
        records = tf.data.Dataset.from_tensors(start_of_epoch).flat_map(of_epoch)
        return records.map(self._example, num_parallel_calls=_CORES, deterministic=True)

    def in_order(self):
        """Returns the examples file after file."""
        files = tf.data.Dataset.range(self._first.shape[0])
        return files.flat_map(self._records).map(
            self._example, num_parallel_calls=_CORES, deterministic=True
        )

    def checksum(self):
        """Returns the checksum of how many records the files have, and which are kept."""
        return self._checksum

    def _records(self, file):
        """Returns the (number in the split, record) of a file that belong to the split."""
        records = self._open_file(file).enumerate(self._first[file])
        if self._kept is not None:
            records = records.filter(lambda number, _: self._kept[number])
        return records

    def _example(self, number, record):
        return self._parse(record, number)
