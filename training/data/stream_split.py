"""Labelled images in files that can only be read sequentially."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from training.data.share import WHOLE, Share
from training.data.split import ORDER, Example, Split, checksum_of, stream_seed

# Parts of the epoch's order that are read concurrently.
_LANES = 16
_CORES = os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class RecordFiles:
    """Files of records, each a stream.

    Attributes:
        sizes: integers, the number of records of each file.
        open: function from a file's number (scalar int64 tensor) to a `tf.data.Dataset` of its
            records, in their stored order.
        parse: function from a record and its number in the split (scalar int64 tensor) to an
            example with an encoded "image".
    """

    sizes: Sequence[int]
    open: Callable[[tf.Tensor], tf.data.Dataset]
    parse: Callable[..., Example]


class StreamSplit(Split):
    """A split of several files, each a stream of records.

    The records of an epoch are those of its files in a shuffled order of the files. They are cut
    into 16 lanes of equal length, which are read concurrently and yield one image each in turn.
    Every lane is shuffled in windows. So a place's lane and window are known without reading:
    starting at a later place reads at most a file and a window of each lane before it, and each of
    several processes reads its own lanes. A split that fits into memory is one lane of one window,
    shuffled as a whole.

    Args:
        files: `RecordFiles`.
        class_names: names of the classes.
        kept: boolean array, one entry per record: whether it belongs to the split. None means all.
        buffer_size: integer, records that are held in memory.
    """

    def __init__(
        self,
        files: RecordFiles,
        class_names: Sequence[str],
        kept: np.ndarray | None = None,
        buffer_size: int = 16384,
    ):
        file_sizes = np.asarray(files.sizes, np.int64)
        first = np.cumsum(file_sizes) - file_sizes
        sizes = file_sizes
        if kept is not None:
            kept_before = np.concatenate([[0], np.cumsum(kept)])
            sizes = kept_before[first + file_sizes] - kept_before[first]
        super().__init__(int(sizes.sum()), class_names)
        self._files = files
        self._lanes, self._window = 1, max(1, self.size)
        if self.size > buffer_size:
            self._lanes = min(_LANES, len(file_sizes))
            # One window is drawn from while the next one is read.
            self._window = max(1, buffer_size // (2 * self._lanes))
        self._lane_size = self.size // self._lanes
        self._checksum = checksum_of(file_sizes, b"" if kept is None else np.packbits(kept))
        with tf.device("CPU"):
            self._first = tf.constant(first)
            self._sizes = tf.constant(sizes, tf.int64)
            self._kept = None if kept is None else tf.constant(kept)

    def examples(
        self, seed: int, epoch: int | tf.Tensor, start: int | tf.Tensor, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """Returns the examples in the shuffled order of one epoch."""
        lanes = self._lanes
        # Places and lanes cycle together, so each process reads one group of lanes.
        groups = math.gcd(lanes, share.count)
        group = share.index % groups

        def of_epoch(epoch: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
            order_seed = stream_seed(seed, ORDER, epoch)
            files = tf.random.experimental.stateless_shuffle(
                tf.range(tf.size(self._first, tf.int64)), seed=order_seed
            )
            begin = tf.minimum(start // lanes, self._lane_size)
            records = tf.data.Dataset.range(group, lanes, groups).interleave(
                lambda lane: self._lane(files, lane, begin, order_seed[0]),
                cycle_length=lanes // groups,
                block_length=1,
                num_parallel_calls=min(_CORES, lanes // groups),
                deterministic=True,
            )
            left_over = self._between(files, lanes * self._lane_size, self.size)
            return (
                records.concatenate(left_over.shard(groups, group))
                .skip((start - begin * lanes) // groups)
                .shard(share.count // groups, share.index // groups)
            )

        start_of_epoch = tf.cast(epoch, tf.int64), tf.cast(start, tf.int64)
        records = tf.data.Dataset.from_tensors(start_of_epoch).flat_map(of_epoch)
        return records.map(self._example, num_parallel_calls=_CORES, deterministic=True)

    def in_order(self) -> tf.data.Dataset:
        """Returns the examples file by file."""
        files = tf.data.Dataset.range(self._first.shape[0])
        return files.flat_map(self._records).map(
            self._example, num_parallel_calls=_CORES, deterministic=True
        )

    def checksum(self) -> str:
        """Returns the checksum of the files' record counts and the records that are kept."""
        return self._checksum

    def _lane(
        self, files: tf.Tensor, lane: tf.Tensor, begin: tf.Tensor, seed: tf.Tensor
    ) -> tf.data.Dataset:
        """Returns the shuffled records of a lane, starting at its record number `begin`."""
        first_window = begin // self._window
        windows_per_lane = -(-self._lane_size // self._window)

        def shuffled(window: tf.Tensor, records: tuple[tf.data.Dataset, ...]) -> tf.data.Dataset:
            # `Dataset.shuffle` adds its graph's seed, which is otherwise the global one, to its
            # own. This is the graph of this function alone.
            tf.compat.v1.get_default_graph().seed = 1
            return tf.data.Dataset.zip(records).shuffle(
                self._window,
                seed=seed + lane * windows_per_lane + window,
                reshuffle_each_iteration=False,
            )

        first = lane * self._lane_size
        return (
            self._between(files, first + first_window * self._window, first + self._lane_size)
            .window(self._window)
            .enumerate(first_window)
            .flat_map(shuffled)
            .skip(begin - first_window * self._window)
            .prefetch(self._window)
        )

    def _between(self, files: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.data.Dataset:
        """Returns the records from number `begin` to `end` of the files in the given order."""
        sizes = tf.gather(self._sizes, files)
        ends = tf.cumsum(sizes)
        begins = ends - sizes
        read = (begins < end) & (ends > begin)

        def of_file(file: tf.Tensor, file_begin: tf.Tensor, file_end: tf.Tensor) -> tf.data.Dataset:
            skipped = tf.maximum(begin - file_begin, 0)
            left = tf.minimum(file_end, end) - file_begin - skipped
            return self._records(file).skip(skipped).take(left)

        return tf.data.Dataset.from_tensor_slices(
            tuple(tf.boolean_mask(values, read) for values in (files, begins, ends))
        ).flat_map(of_file)

    def _records(self, file: tf.Tensor) -> tf.data.Dataset:
        """Returns (number in the split, record) for those of a file that belong to the split."""
        records = self._files.open(file).enumerate(self._first[file])
        if self._kept is not None:
            records = records.filter(lambda number, _: self._kept[number])
        return records

    def _example(self, number: tf.Tensor, record: tf.Tensor) -> Example:
        return self._files.parse(record, number)
